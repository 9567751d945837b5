"""A real model in the stub's place; imported only when LLM_PROVIDER names one."""
