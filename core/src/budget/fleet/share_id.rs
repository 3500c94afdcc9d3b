//! Decides where the account of a share is told from others: as its counter would be in shared data.

use std::rc::Rc;

use hashbrown::Equivalent;

use crate::budget::ledger::{Account, Tag};

/// Where the account of a share is told from others: as its counter would be in shared data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ShareId {
    pub(super) record: Box<str>,
    pub(super) tag: Option<Tag>,
}

#[derive(Hash)]
pub(super) struct IdOf<'a> {
    record: &'a str,
    tag: &'a Option<Tag>,
}

impl Equivalent<Rc<ShareId>> for IdOf<'_> {
    fn equivalent(&self, id: &Rc<ShareId>) -> bool {
        *id.record == *self.record && id.tag == *self.tag
    }
}

/// That of `account`, to look it up.
pub(super) fn id_of(account: &Account) -> IdOf<'_> {
    IdOf { record: &account.record, tag: &account.tag }
}
