//! Evaluations of the past once more (S-11.1).

use jiff::Timestamp;
use prost::Message;

use crate::compiled::Compiled;
use crate::decode;
use crate::diagnostics::{At, Code, Findings};
use crate::proto;

impl Compiled {
    /// Answers the bytes of a `ReplayRequest` with those of a `ReplayResponse`, whose result has the bytes
    /// that Evaluate gave.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn replay(&self, request: &[u8]) -> Result<Vec<u8>, Findings> {
        let request: proto::ReplayRequest = decode::owned_request(request, "ReplayRequest")?;
        self.check_revision(request.revision, &At::ROOT.field("revision"))?;
        let mut response = self.evaluate_again(request.request.as_ref(), &At::ROOT.field("request"))?;
        if !request.result_hash.is_empty() {
            let matches = result_of(&response).result_hash == request.result_hash;
            let told = proto::ReplayResponse { result: None, matches: Some(matches) };
            response.extend(told.encode_to_vec());
        }
        Ok(response)
    }

    /// Evaluates a request that says its instant, and gives the bytes of the response.
    pub(crate) fn evaluate_again(
        &self,
        request: Option<&proto::EvaluateRequest>,
        at: &At<'_>,
    ) -> Result<Vec<u8>, Findings> {
        let Some(request) = request else {
            return Err(Findings::one(Code::Required, at, &[]));
        };
        if request.evaluate_time.is_none() {
            return Err(Findings::one(Code::Required, &at.field("evaluate_time"), &[]));
        }
        // The instant is given, so that no clock counts.
        let evaluated = self.evaluate(&request.encode_to_vec(), Timestamp::UNIX_EPOCH);
        evaluated.map_err(|findings| findings.inside(at))
    }

    /// Refuses a request about another revision than this one.
    pub(crate) fn check_revision(&self, wanted: i64, at: &At<'_>) -> Result<(), Findings> {
        if wanted == self.revision() {
            return Ok(());
        }
        let parameters = [("value", wanted.into()), ("held", self.revision().into())];
        Err(Findings::one(Code::RevisionDiffers, at, &parameters))
    }
}

/// The result in the bytes of a response of this engine.
pub(crate) fn result_of(response: &[u8]) -> proto::Result {
    proto::EvaluateResponse::decode(response).ok().and_then(|response| response.result).unwrap_or_default()
}
