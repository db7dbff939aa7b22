// Compiles every contract in this folder with the pinned solc and writes {abi, bytecode} of each to the folder
// named first, as <contract>.json.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const target = process.argv[2];
const names = fs.readdirSync(__dirname).filter((name) => name.endsWith(".sol"));
const source = (name) => ({ content: fs.readFileSync(path.join(__dirname, name), "utf8") });
const input = {
  language: "Solidity",
  sources: Object.fromEntries(names.map((name) => [name, source(name)])),
  settings: {
    // The EVM of the oldest chain GLM lives on; `paris` has no opcode that one of them lacks.
    evmVersion: "paris",
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const findImport = (name) => ({ contents: fs.readFileSync(require.resolve(name), "utf8") });
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));

for (const problem of output.errors ?? []) {
  console.error(problem.formattedMessage);
  if (problem.severity === "error") process.exit(1);
}
fs.mkdirSync(target, { recursive: true });
for (const file of names) {
  const name = path.basename(file, ".sol");
  const contract = output.contracts[file][name];
  const built = { abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object };
  fs.writeFileSync(path.join(target, `${name}.json`), JSON.stringify(built));
}
