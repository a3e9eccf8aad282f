//! What the extension raises. Each error carries its diagnostics as bytes.

use dealwright_wire::diagnostics::Findings;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

pyo3::create_exception!(
    dealwright_engine,
    EngineError,
    PyException,
    "What was given can't be used. Its text is safe to show to whoever gave it."
);
pyo3::create_exception!(
    dealwright_engine,
    InvalidRequest,
    EngineError,
    "The bytes are no request, or the request is no valid one."
);
pyo3::create_exception!(
    dealwright_engine,
    InvalidRuleset,
    EngineError,
    "The bytes are no ruleset, or what holds for all its promotions is at fault."
);

const DIAGNOSTICS: &str = "diagnostics";

/// Puts the classes into the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let python = module.py();
    let base = python.get_type::<EngineError>();
    base.setattr(DIAGNOSTICS, PyBytes::new(python, &[]))?;
    module.add("EngineError", base)?;
    module.add("InvalidRequest", python.get_type::<InvalidRequest>())?;
    module.add("InvalidRuleset", python.get_type::<InvalidRuleset>())
}

pub(crate) fn invalid_request(python: Python<'_>, findings: &Findings) -> PyErr {
    with_diagnostics(python, InvalidRequest::new_err(findings.summary()), findings)
}

pub(crate) fn invalid_ruleset(python: Python<'_>, findings: &Findings) -> PyErr {
    with_diagnostics(python, InvalidRuleset::new_err(findings.summary()), findings)
}

fn with_diagnostics(python: Python<'_>, error: PyErr, findings: &Findings) -> PyErr {
    match error.value(python).setattr(DIAGNOSTICS, PyBytes::new(python, &findings.encode())) {
        Ok(()) => error,
        Err(failed) => failed,
    }
}
