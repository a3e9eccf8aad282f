//! Remarks about a request: what is most likely a slip, though it is priced as it is (S-10.8).

use std::collections::HashSet;

use dealwright_core::symbols::fold;
use foldhash::fast::RandomState;

use crate::diagnostics::{At, Code, Value, sentence};
use crate::limits::FINDINGS_MAX;
use crate::texts::Language;

/// A slip. It changes no amount.
pub(crate) struct Remark {
    pub(crate) code: Code,
    /// The path of the field.
    pub(crate) field: String,
    pub(crate) parameters: Vec<(&'static str, Value)>,
}

impl Remark {
    /// What it says.
    pub(crate) fn text(&self, language: Language) -> String {
        let template = language.pick(self.code.template(), indonesian(self.code));
        sentence(template, &self.parameters)
    }
}

fn indonesian(code: Code) -> &'static str {
    match code {
        Code::StoreUnknown => "Tidak ada toko {value} dalam data.",
        Code::ChannelUnknown => {
            "{value} bukan dine_in, take_away, delivery atau app, dan bukan kanal dalam kebijakan."
        }
        Code::CategoryUnknown => "Tidak ada kategori {value} dalam data.",
        Code::StoreDiffers => "Toko {store} memakai {known}, bukan {value}; yang berlaku isi keranjang.",
        other => other.template(),
    }
}

/// The remarks about one request, as they are met. A cart without a slip costs them no allocation.
#[derive(Default)]
pub(crate) struct Remarks<'sent> {
    told: Vec<Remark>,
    /// Categories that were told, so that many lines of one are told once.
    categories: HashSet<&'sent str, RandomState>,
}

impl<'sent> Remarks<'sent> {
    pub(crate) fn into_told(self) -> Vec<Remark> {
        self.told
    }

    /// A name that nothing knows.
    pub(crate) fn unknown(&mut self, code: Code, name: &str, at: &At<'_>) {
        self.add(code, at, vec![("value", name.into())]);
    }

    /// A category that nothing knows, at the first line that names it.
    pub(crate) fn unknown_category(&mut self, id: &'sent str, at: &At<'_>) {
        if !id.is_empty() && self.categories.insert(id) {
            self.unknown(Code::CategoryUnknown, id, at);
        }
    }

    /// What a cart says of its store and the store doesn't.
    pub(crate) fn differing(&mut self, given: &str, known: &str, store: &str, at: &At<'_>) {
        if !given.is_empty() && !known.is_empty() && given != known && fold(given) != fold(known) {
            let parameters = vec![("value", given.into()), ("store", store.into()), ("known", known.into())];
            self.add(Code::StoreDiffers, at, parameters);
        }
    }

    fn add(&mut self, code: Code, at: &At<'_>, parameters: Vec<(&'static str, Value)>) {
        if self.told.len() < FINDINGS_MAX {
            self.told.push(Remark { code, field: at.to_string(), parameters });
        }
    }
}
