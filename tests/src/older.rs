//! Envoys that can do less, or are told less, than the one that everything else is tested on.

use crate::envoy::Setup;

impl Setup {
    /// Without the filter behind the router, and with what the router retries.
    #[must_use]
    pub fn without_attempt_filter(mut self) -> Self {
        self.variations.without_attempt_filter = true;
        self
    }

    /// Like a control plane that drops the option for other clusters (`refresh_cluster_on_retry`).
    #[must_use]
    pub fn without_refresh(mut self) -> Self {
        self.variations.without_refresh = true;
        self
    }

    /// Writes the sample for an Envoy of this version, as `farebox render envoy --envoy` calls it.
    #[must_use]
    pub fn written_for(mut self, version: &'static str) -> Self {
        self.variations.version = Some(version);
        self
    }

    /// Tells an older Envoy about attempts what the newest is told.
    #[must_use]
    pub fn newest_attempts(mut self) -> Self {
        self.variations.newest_attempts = true;
        self
    }

    /// Runs another Envoy than the one that everything else is tested on.
    #[must_use]
    pub fn envoy(mut self, version: Option<&'static str>) -> Self {
        self.binary = version;
        self
    }
}
