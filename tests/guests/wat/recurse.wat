;; Calls itself without end: the stack of WebAssembly overflows, not the guest's own in its memory.
(module
  (memory (export "memory") 1)
  (func $down (param i64) (result i64)
    (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param i32 i32)
    (drop (call $down (i64.const 0)))))
