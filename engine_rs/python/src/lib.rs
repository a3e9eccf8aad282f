//! The extension module `dealwright_engine._engine`: bytes in, bytes out, with the GIL released. No
//! rule and no field is known here.

mod errors;
mod ruleset;

use dealwright_wire::diagnostics::{Code, Severity};
use dealwright_wire::signing::{self, KEY_BYTES};
use dealwright_wire::{Currency, RULE_LANGUAGE};
use errors::invalid_ruleset;
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

/// The most in minor units that the bytes of a `Promotion` can give in a currency; None where nothing bounds it.
#[pyfunction]
fn exposure(python: Python<'_>, promotion: &[u8], currency_code: &str) -> Option<i64> {
    let currency = Currency::parse(currency_code)?;
    python.detach(|| dealwright_wire::exposure(promotion, currency))
}

/// The form in which codes and names are compared.
#[pyfunction]
fn fold(text: &str) -> String {
    dealwright_wire::fold(text)
}

/// The items of the bytes of a `Ruleset`: the number of the field, the id, and the bytes of each.
#[pyfunction]
fn ruleset_items<'py>(
    python: Python<'py>,
    ruleset: &[u8],
) -> PyResult<Vec<(u32, String, Bound<'py, PyBytes>)>> {
    let items = python.detach(|| dealwright_wire::bundle::items(ruleset));
    let items = items.map_err(|findings| invalid_ruleset(python, &findings))?;
    Ok(items.into_iter().map(|item| (item.field, item.id, PyBytes::new(python, item.body))).collect())
}

/// The root of the bytes of a `Ruleset`, as manifests name it.
#[pyfunction]
fn ruleset_root<'py>(python: Python<'py>, ruleset: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let root = python.detach(|| dealwright_wire::bundle::root(ruleset));
    root.map(|root| PyBytes::new(python, &root)).map_err(|findings| invalid_ruleset(python, &findings))
}

/// The public half of an Ed25519 key.
#[pyfunction]
fn public_key<'py>(python: Python<'py>, secret: [u8; KEY_BYTES]) -> Bound<'py, PyBytes> {
    PyBytes::new(python, &signing::public_key(&secret))
}

/// The name of a key, by its public half.
#[pyfunction]
fn key_id(public: &[u8]) -> String {
    signing::key_id(public)
}

/// Signs the bytes of a message.
#[pyfunction]
fn sign<'py>(
    python: Python<'py>,
    secret: [u8; KEY_BYTES],
    message: &str,
    payload: &[u8],
) -> Bound<'py, PyBytes> {
    PyBytes::new(python, &signing::sign(&secret, message, payload))
}

/// Whether a signature over the bytes of a message is that of a key.
#[pyfunction]
fn verify(public: &[u8], message: &str, payload: &[u8], signature: &[u8]) -> bool {
    signing::verify(public, message, payload, signature)
}

/// Sums over all carts that were priced since the process began, by name.
#[pyfunction]
fn work() -> std::collections::HashMap<&'static str, u64> {
    dealwright_wire::work().collect()
}

#[pymodule(gil_used = false)]
fn _engine(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("RULE_LANGUAGE", RULE_LANGUAGE)?;
    module.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(validate, module)?)?;
    module.add_function(wrap_pyfunction!(validate_ruleset, module)?)?;
    module.add_function(wrap_pyfunction!(reason_codes, module)?)?;
    module.add_function(wrap_pyfunction!(currency_exponent, module)?)?;
    module.add_function(wrap_pyfunction!(exposure, module)?)?;
    module.add_function(wrap_pyfunction!(fold, module)?)?;
    module.add_function(wrap_pyfunction!(ruleset_items, module)?)?;
    module.add_function(wrap_pyfunction!(ruleset_root, module)?)?;
    module.add_function(wrap_pyfunction!(public_key, module)?)?;
    module.add_function(wrap_pyfunction!(key_id, module)?)?;
    module.add_function(wrap_pyfunction!(sign, module)?)?;
    module.add_function(wrap_pyfunction!(verify, module)?)?;
    module.add_function(wrap_pyfunction!(work, module)?)?;
    errors::register(module)?;
    module.add_class::<ruleset::Ruleset>()
}
