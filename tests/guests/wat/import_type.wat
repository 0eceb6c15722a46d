;; Imports what is there, with another type.
(module
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func (param i64 i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
