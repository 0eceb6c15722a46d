;; Traps before anything can be called.
(module
  (memory (export "memory") 1)
  (func $start unreachable)
  (start $start)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
