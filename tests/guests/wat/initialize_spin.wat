;; Never comes to the end of its constructors.
(module
  (memory (export "memory") 1)
  (func (export "_initialize") (loop $again (br $again)))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
