// A client of the function: see ../program.py for the tasks on stdin and the results on stdout.
import { createInterface } from "node:readline";
import { CloudEvent, HTTP } from "cloudevents";
import { request } from "undici";

async function* parts(body) {
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

async function byFetch({ url, headers, body, chunked }) {
  const stream = chunked ? { body: ReadableStream.from(parts(body)), duplex: "half" } : { body };
  const answer = await fetch(url, { method: "POST", headers, ...stream });
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
}

async function byUndici({ url, headers, body, chunked }) {
  const answer = await request(url, { method: "POST", headers, body: chunked ? parts(body) : body });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
}

async function bySdk({ url, mode, event }) {
  const message = HTTP[mode](new CloudEvent({ ...event, time: undefined }));
  const answer = await byFetch({ url, headers: message.headers, body: message.body });
  if (answer.status !== 200) return answer;
  return { ...answer, event: HTTP.toEvent(answer) };
}

const clients = { fetch: byFetch, undici: byUndici, sdk: bySdk };
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  console.log(JSON.stringify(await clients[task.client](task)));
}
