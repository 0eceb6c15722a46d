;; Its allocator calls the host back while the host is calling it.
(module
  (import "wasi:http/types@0.2.12" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (memory (export "memory") 1)
  (global $request (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $path (global.get $request) (i32.const 16))
    (i32.const 1024))
  (func (export "wasi:http/incoming-handler@0.2.12#handle") (param $request i32) (param $out i32)
    (global.set $request (local.get $request))
    (call $path (local.get $request) (i32.const 16))))
