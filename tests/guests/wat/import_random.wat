;; Needs one link besides http.
(module
  (import "wasi:random/random@0.2.12" "get-random-u64" (func (result i64)))
  (memory (export "memory") 1)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
