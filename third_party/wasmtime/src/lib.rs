//! Exports Wasmtime's C API from one static library.
pub use wasmtime_c_api::*;
