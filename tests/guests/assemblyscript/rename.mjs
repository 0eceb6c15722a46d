// A transform of AssemblyScript's compiler. Its exports are named by identifiers, and a handler's name in the canonical
// ABI is none.
export default class {
  afterCompile(module) {
    module.removeExport("handle");
    module.addFunctionExport("hello/handle", "wasi:http/incoming-handler@0.2.12#handle");
  }
}
