// Usage: node check_asyncapi.js FILE; prints the diagnostics of @asyncapi/parser.
const { Parser, fromFile } = require("@asyncapi/parser");

fromFile(new Parser(), process.argv[2]).parse().then(({ diagnostics }) => {
  console.log(JSON.stringify(diagnostics));
});
