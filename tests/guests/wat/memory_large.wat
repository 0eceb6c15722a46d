;; Wants 4 GiB from the beginning.
(module
  (memory (export "memory") 65536)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
