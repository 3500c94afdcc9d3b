//! What use costs.
