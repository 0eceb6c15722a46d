;; Never comes to the end of its start.
(module
  (memory (export "memory") 1)
  (func $start (loop $again (br $again)))
  (start $start)
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)))
