//! What use costs.

use super::*;
