;; Written by hand against the canonical ABI, without bindings, libc or an allocator: answers with status 200 plus how
;; often this instance has been called, and 50 more if somebody ran _initialize.
(module
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-response.set-status-code"
    (func $set-status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))
  (func (export "_initialize")
    (global.set $calls (i32.add (global.get $calls) (i32.const 50))))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (local $answer i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (local.set $answer (call $response (call $fields)))
    (drop (call $set-status (local.get $answer) (i32.add (i32.const 200) (global.get $calls))))
    (call $body (local.get $answer) (i32.const 16))
    (call $set (local.get $out) (i32.const 0) (local.get $answer)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $finish (i32.load (i32.const 20)) (i32.const 0) (i32.const 0) (i32.const 64))))
