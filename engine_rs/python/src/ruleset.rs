//! The class `Ruleset`.

use dealwright_wire::Compiled;
use dealwright_wire::diagnostics::Findings;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict};

use crate::errors::{invalid_request, invalid_ruleset};

/// A compiled ruleset: immutable, safe to share between threads.
#[pyclass(frozen, module = "dealwright_engine")]
pub(crate) struct Ruleset {
    compiled: Compiled,
}

#[pymethods]
impl Ruleset {
    /// Compiles the bytes of a `Ruleset`.
    #[staticmethod]
    fn compile(python: Python<'_>, ruleset: &[u8]) -> PyResult<Self> {
        let compiled = python.detach(|| Compiled::compile(ruleset));
        compiled.map(|compiled| Self { compiled }).map_err(|findings| invalid_ruleset(python, &findings))
    }

    /// Answers the bytes of an `EvaluateRequest` with those of an `EvaluateResponse`.
    fn evaluate<'py>(
        &self,
        python: Python<'py>,
        request: &[u8],
        now_nanos: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        answer(python, now_nanos, |now| self.compiled.evaluate(request, now))
    }

    /// Answers the bytes of an `ExplainRequest` with those of an `ExplainResponse`.
    fn explain<'py>(
        &self,
        python: Python<'py>,
        request: &[u8],
        now_nanos: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        answer(python, now_nanos, |now| self.compiled.explain(request, now))
    }

    /// Answers the bytes of a `ReplayRequest` with those of a `ReplayResponse`.
    fn replay<'py>(&self, python: Python<'py>, request: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        give(python, || self.compiled.replay(request))
    }

    /// Answers the bytes of a `CompareRequest`, whose earlier revision this is, with those of a
    /// `CompareResponse`.
    fn compare<'py>(
        &self,
        python: Python<'py>,
        after: &Self,
        request: &[u8],
        now_nanos: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        answer(python, now_nanos, |now| self.compiled.compare(&after.compiled, request, now))
    }

    /// Answers the bytes of a `RefundRequest` with those of a `RefundResponse`.
    fn refund<'py>(&self, python: Python<'py>, request: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        give(python, || self.compiled.refund(request))
    }

    #[getter]
    fn company_id(&self) -> &str {
        self.compiled.company_id()
    }

    #[getter]
    fn revision(&self) -> i64 {
        self.compiled.revision()
    }

    #[getter]
    fn promotion_count(&self) -> usize {
        self.compiled.promotion_count()
    }

    #[getter]
    fn unsupported<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.compiled.unsupported().into_py_dict(python)
    }

    #[getter]
    fn policy_fingerprint<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(python, self.compiled.policy_fingerprint())
    }

    /// The bytes of `Diagnostics` about its promotions.
    #[getter]
    fn diagnostics<'py>(&self, python: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(python, &self.compiled.findings().encode())
    }
}

fn answer<'py>(
    python: Python<'py>,
    now_nanos: i64,
    ask: impl FnOnce(dealwright_wire::Timestamp) -> Result<Vec<u8>, Findings> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    let now = dealwright_wire::Timestamp::from_nanosecond(now_nanos.into())
        .map_err(|_| PyValueError::new_err("now_nanos doesn't lie in the years -9999 to 9999"))?;
    give(python, || ask(now))
}

fn give<'py>(
    python: Python<'py>,
    ask: impl FnOnce() -> Result<Vec<u8>, Findings> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    let answered = python.detach(ask);
    answered.map(|bytes| PyBytes::new(python, &bytes)).map_err(|findings| invalid_request(python, &findings))
}
