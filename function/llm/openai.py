"""OpenAI's chat completions, which Azure, vLLM, Ollama and llama.cpp speak too.

https://platform.openai.com/docs/api-reference/chat/create
https://platform.openai.com/docs/guides/structured-outputs
"""

from typing import Annotated

from pydantic import BaseModel, Field, StrictStr

from function.llm.outcome import NoAnswer, Reason, Usage
from function.llm.prompt import answer_schema, system_prompt
from function.llm.wire import MAX_TOKENS, Completion, Count, OrEmpty


class _Message(BaseModel):
    content: StrictStr | None = None
    refusal: StrictStr | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: StrictStr | None = None


class _Usage(BaseModel):
    prompt_tokens: Count = 0
    completion_tokens: Count = 0


class _Response(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: Annotated[_Usage, OrEmpty] = _Usage()


PROBLEMS = {"length": Reason.TRUNCATED, "content_filter": Reason.REFUSED}


class OpenAiFormat:
    """POST {base}/chat/completions"""

    path = "/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, model: str, user_message: str) -> dict[str, object]:
        schema = {"name": "strategy", "strict": True, "schema": answer_schema()}
        return {
            "model": model,
            "messages": [
                {"role": "system", "content": system_prompt()},
                {"role": "user", "content": user_message},
            ],
            "response_format": {"type": "json_schema", "json_schema": schema},
            "max_completion_tokens": MAX_TOKENS,
        }

    def read(self, body: bytes) -> Completion:
        try:
            response = _Response.model_validate_json(body)
        except ValueError:
            raise NoAnswer(Reason.NOT_THE_API) from None
        choice = response.choices[0]
        problem = PROBLEMS.get(choice.finish_reason or "")
        if choice.message.refusal:
            problem = Reason.REFUSED
        usage = Usage(response.usage.prompt_tokens, response.usage.completion_tokens)
        return Completion(choice.message.content, problem, usage)
