// An actor of another toolchain: AssemblyScript, which knows nothing of WIT or Hedgerow; the canonical ABI by hand.
// Answers with the path that was asked for.

@external("wasi:http/types@0.2.12", "[constructor]fields")
declare function newFields(): i32;
@external("wasi:http/types@0.2.12", "[constructor]outgoing-response")
declare function newResponse(headers: i32): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-response.body")
declare function bodyOf(response: i32, ret: usize): void;
@external("wasi:http/types@0.2.12", "[static]response-outparam.set")
declare function setResponse(out: i32, isErr: i32, response: i32, a: i32, b: i64, c: i32, d: i32, e: i32, f: i32): void;
@external("wasi:http/types@0.2.12", "[method]outgoing-body.write")
declare function streamOf(body: i32, ret: usize): void;
@external("wasi:http/types@0.2.12", "[static]outgoing-body.finish")
declare function finish(body: i32, hasTrailers: i32, trailers: i32, ret: usize): void;
@external("wasi:http/types@0.2.12", "[method]incoming-request.path-with-query")
declare function pathOf(request: i32, ret: usize): void;
@external("wasi:io/streams@0.2.12", "[method]output-stream.blocking-write-and-flush")
declare function write(stream: i32, ptr: usize, len: usize, ret: usize): void;
@external("wasi:io/streams@0.2.12", "[resource-drop]output-stream")
declare function dropStream(stream: i32): void;

const ret: usize = memory.data(64, 8);

export function cabi_realloc(ptr: usize, oldSize: usize, align: usize, newSize: usize): usize {
  return ptr ? heap.realloc(ptr, newSize) : heap.alloc(newSize);
}

export function handle(request: i32, out: i32): void {
  const response = newResponse(newFields());
  bodyOf(response, ret);
  const body = load<i32>(ret, 4);
  setResponse(out, 0, response, 0, 0, 0, 0, 0, 0);

  pathOf(request, ret);
  const path = load<u8>(ret) ? String.UTF8.decodeUnsafe(load<usize>(ret, 4), load<usize>(ret, 8)) : "(none)";
  const text = String.UTF8.encode("AssemblyScript at " + path);

  streamOf(body, ret);
  const stream = load<i32>(ret, 4);
  write(stream, changetype<usize>(text), text.byteLength, ret);
  dropStream(stream);
  finish(body, 0, 0, ret);
}
