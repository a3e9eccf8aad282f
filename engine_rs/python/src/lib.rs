//! The extension module `dealwright_engine._engine`.
use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("RULE_LANGUAGE", 1)?;
    Ok(())
}
