;; Wants an interface that is not there.
(module
  (import "example:nowhere/nothing@1.0.0" "vanish" (func))
  (memory (export "memory") 1)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
