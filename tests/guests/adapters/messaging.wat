;; Stands in for wasmcloud:messaging/consumer on a host that has no bus: every request fails with a reason. An adapter of
;; `wasm-tools component new --adapt`, so the actor's module stays as it is.
(module
  (import "env" "memory" (memory 1))
  (import "__main_module__" "cabi_realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))

  ;; request(subject, body, timeout-ms) -> result<broker-message, string>: err("no bus")
  (func (export "request") (param i32 i32 i32 i32 i32) (param $ret i32)
    (local $text i32)
    (local.set $text (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 6)))
    (i32.store align=1 (local.get $text) (i32.const 0x6220_6f6e)) ;; "no b"
    (i32.store16 offset=4 align=1 (local.get $text) (i32.const 0x7375)) ;; "us"
    (i32.store8 (local.get $ret) (i32.const 1))
    (i32.store offset=4 (local.get $ret) (local.get $text))
    (i32.store offset=8 (local.get $ret) (i32.const 6))))
