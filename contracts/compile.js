// Compiles DevelopmentGLM.sol with the pinned solc and writes {abi, bytecode} to the file named first.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const source = path.join(__dirname, "DevelopmentGLM.sol");
const target = process.argv[2];
const input = {
  language: "Solidity",
  sources: { "DevelopmentGLM.sol": { content: fs.readFileSync(source, "utf8") } },
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
const contract = output.contracts["DevelopmentGLM.sol"].DevelopmentGLM;
fs.mkdirSync(path.dirname(target), { recursive: true });
fs.writeFileSync(target, JSON.stringify({ abi: contract.abi, bytecode: "0x" + contract.evm.bytecode.object }));
