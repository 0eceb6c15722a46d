//! Empty: this package only pins sources.
