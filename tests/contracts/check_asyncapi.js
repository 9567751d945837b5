// Prints what @asyncapi/parser finds in the document that is named: node check_asyncapi.js FILE
const { Parser, fromFile } = require("@asyncapi/parser");

fromFile(new Parser(), process.argv[2]).parse().then(({ diagnostics }) => {
  console.log(JSON.stringify(diagnostics));
});
