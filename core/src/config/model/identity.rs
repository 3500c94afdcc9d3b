//! Decides how what Envoy has proven of a caller becomes who pays: the `identity` of a configuration.
//!
//! Does not read a proof: see `request/proof`.

use std::rc::Rc;

use super::Key;
use crate::base::pattern::Pattern;

/// Where callers are proven who show no key, in the order in which it is looked at.
#[derive(Debug, Default)]
pub struct Identity {
    /// None: only keys and the header of an authentication filter count.
    pub sources: Box<[Source]>,
    /// Who pays for a request that proves nothing and shows no key; `None`: it is refused.
    pub guest: Option<Rc<Key>>,
}

impl Identity {
    /// Whether there are callers whose user is proven.
    #[must_use]
    pub fn proves_users(&self) -> bool {
        self.sources.iter().any(|source| source.user.is_some() || source.proof.names_a_user())
    }
}

/// One kind of proof, and what it makes of the caller.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub proof: Proof,
    /// The team that pays.
    pub team: TeamRule,
    /// Who asks.
    pub user: Option<UserRule>,
    /// Labels by name, each with the claim that it is taken from.
    pub labels: Box<[(Box<str>, ClaimPath)]>,
    /// The claim with the patterns of the models that may be asked for.
    pub models: Option<ClaimPath>,
    /// What happens where a key is shown as well.
    pub beside_key: BesideKey,
}

/// Where a proof is.
#[derive(Debug)]
pub enum Proof {
    /// The payload of a token that `jwt_authn` has checked.
    Jwt {
        /// The name under which the filter keeps it; `None`: whatever that is, if it is only one of these issuers.
        payload: Option<Box<str>>,
        /// Who may have issued it; never empty.
        issuers: Box<[Box<str>]>,
        /// Whom it may be meant for, one of them; empty: that is left to the filter.
        audiences: Box<[Box<str>]>,
    },
    /// What the service behind `ext_authz` has said.
    ExtAuthz {
        /// The member that has it; `None`: all of it.
        payload: Option<Box<str>>,
    },
    /// The client's certificate of this connection.
    Certificate(Names),
    /// What a proxy before this one says of its client's certificate, in `x-forwarded-client-cert`.
    ForwardedCertificate(Names),
}

impl Proof {
    /// Whether it has a place for the user.
    fn names_a_user(&self) -> bool {
        match self {
            Self::Jwt { .. } | Self::ExtAuthz { .. } => false,
            Self::Certificate(names) | Self::ForwardedCertificate(names) => {
                names.template.iter().any(|piece| matches!(piece, Piece::Part(name) if **name == *"user"))
            }
        }
    }
}

/// How the names of a certificate are read.
#[derive(Debug)]
pub struct Names {
    /// Which of them.
    pub field: NameField,
    /// What it is made of.
    pub template: Box<[Piece]>,
    /// Trust domains that count, where the template has a place for one.
    pub trust_domains: Box<[Box<str>]>,
}

/// A name that a certificate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameField {
    /// The first URI of its alternative names: a SPIFFE id.
    Uri,
    /// The first DNS name of them.
    Dns,
    /// The subject.
    Subject,
}

impl NameField {
    /// Every name with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 3] =
        [("uri", Self::Uri), ("dns", Self::Dns), ("subject", Self::Subject)];

    /// What ends a part of it that a template has a place for.
    #[must_use]
    pub fn ends_part(self, character: char) -> bool {
        match self {
            Self::Uri => matches!(character, '/' | ',' | ';' | '"' | '\\'),
            Self::Dns => character == '.',
            Self::Subject => matches!(character, ',' | '+' | '=' | '"' | '\\'),
        }
    }
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// It stands there as it is.
    Text(Box<str>),
    /// A part of the name, and what it is.
    Part(Box<str>),
}

/// Where in a payload a claim is: the names of objects, each inside the one before.
pub type ClaimPath = Box<[Box<str>]>;

/// How a team is found.
#[derive(Debug, Default)]
pub struct TeamRule {
    /// The claim; empty for a certificate, whose template has it.
    pub claim: ClaimPath,
    /// What is taken off the beginning of a value; values without it do not count. Empty: nothing.
    pub strip_prefix: Box<str>,
    /// Teams by value. `None`: the value is the team.
    pub teams: Option<Vec<(Box<str>, Box<str>)>>,
    /// The first of them that the caller has counts. If not, all that it has must be of one team.
    pub is_ordered: bool,
    /// The team of those whom the table does not know.
    pub otherwise: Option<Box<str>>,
}

/// How the name of a user is found.
#[derive(Debug, Default)]
pub struct UserRule {
    /// The claim; empty for a certificate, whose template has it.
    pub claim: ClaimPath,
    /// What is taken off the beginning, where it is there.
    pub strip_prefix: Box<str>,
    /// What is taken off the end, where it is there.
    pub strip_suffix: Box<str>,
    /// Who has none is let in without one.
    pub optional: bool,
}

/// What happens to a request that shows a key beside a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BesideKey {
    /// It is refused.
    Deny,
    /// The key counts.
    Key,
}

impl BesideKey {
    /// Every way with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 2] = [("deny", Self::Deny), ("key", Self::Key)];
}

impl Key {
    /// A caller who is no key of the configuration: `id` says by what it was proven and who it is.
    #[must_use]
    pub fn proven(id: &str, team: &str, user: Option<&str>) -> Self {
        Self {
            id: id.into(),
            sha256: Box::default(),
            team: team.into(),
            user: user.map(Into::into),
            labels: Vec::new(),
            models: Vec::<Pattern>::new(),
            expires: None,
            enabled: true,
            accounts: Vec::new(),
            admin: false,
            team_models: Vec::new(),
            limits: None,
        }
    }
}
