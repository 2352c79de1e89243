//! The Python module: conversions, no logic.

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _rust_core {}
