//! The extension module `dealwright_engine._engine`: bytes in, bytes out, with the GIL released. No
//! rule and no field is known here.

mod errors;
mod ruleset;

use dealwright_wire::diagnostics::{Code, Severity};
use dealwright_wire::{Currency, RULE_LANGUAGE};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An evaluation makes many small objects that live for microseconds.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Says what there is to say about the bytes of a `Promotion`, as the bytes of `Diagnostics`.
#[pyfunction]
fn validate<'py>(python: Python<'py>, promotion: &[u8]) -> Bound<'py, PyBytes> {
    let findings = python.detach(|| dealwright_wire::validate(promotion));
    PyBytes::new(python, &findings.encode())
}

/// Says what there is to say about the bytes of a `Ruleset` as a whole, as the bytes of `Diagnostics`.
#[pyfunction]
fn validate_ruleset<'py>(python: Python<'py>, ruleset: &[u8]) -> Bound<'py, PyBytes> {
    let findings = python.detach(|| dealwright_wire::validate_ruleset(ruleset));
    PyBytes::new(python, &findings.encode())
}

/// Every diagnostic code with its severity and its English template.
#[pyfunction]
fn reason_codes() -> Vec<(String, &'static str, &'static str)> {
    let severity = |code: &Code| match code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    Code::ALL.iter().map(|code| (code.id(), severity(code), code.template())).collect()
}

/// How many digits the minor unit of an ISO 4217 currency has; None for any other code.
#[pyfunction]
fn currency_exponent(code: &str) -> Option<u32> {
    Currency::parse(code).map(|currency| currency.exponent())
}

/// Brings a code that a customer typed to the form in which codes are compared.
#[pyfunction]
fn fold(code: &str) -> String {
    dealwright_wire::fold(code)
}

#[pymodule(gil_used = false)]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("RULE_LANGUAGE", RULE_LANGUAGE)?;
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(validate, module)?)?;
    module.add_function(wrap_pyfunction!(validate_ruleset, module)?)?;
    module.add_function(wrap_pyfunction!(reason_codes, module)?)?;
    module.add_function(wrap_pyfunction!(currency_exponent, module)?)?;
    module.add_function(wrap_pyfunction!(fold, module)?)?;
    errors::register(module)?;
    module.add_class::<ruleset::Ruleset>()
}
