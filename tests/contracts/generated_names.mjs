// Usage: node generated_names.mjs ASYNCAPI SCHEMA...; prints the types that generators make of them, as JSON.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { JavaGenerator } from "@asyncapi/modelina";
import { InputData, JSONSchemaInput, quicktype } from "quicktype-core";

async function byQuicktype(file, lang) {
  const input = new JSONSchemaInput(undefined);
  await input.addSource({ name: basename(file, ".json"), schema: readFileSync(file, "utf8") });
  const inputData = new InputData();
  inputData.addInput(input);
  const { lines } = await quicktype({ inputData, lang });
  return lines.map((line) => line.match(/^(?:export |public )?(?:interface|enum|class|type) (\w+)/)?.[1]).filter(Boolean);
}

async function byModelina(document) {
  const models = await new JavaGenerator().generate(document);
  return models.map((model) => model.modelName);
}

async function ofEach(files, lang) {
  return (await Promise.all(files.map((file) => byQuicktype(file, lang)))).flat();
}

const [asyncapi, ...schemas] = process.argv.slice(2);
console.log(
  JSON.stringify({
    typescript: await ofEach(schemas, "typescript"),
    go: await ofEach(schemas, "go"),
    java: await ofEach(schemas, "java"),
    modelina: await byModelina(`file://${asyncapi}`),
  }),
);
