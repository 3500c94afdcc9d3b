//! Decides how long a test waits for something that must happen, and how it says that it did not.

use std::future::Future;
use std::time::Duration;

/// Longer than anything here takes on a busy machine; reached only when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at a condition that cannot wake the one who waits.
const GLANCE: Duration = Duration::from_millis(10);

/// Awaits `future`.
///
/// # Panics
/// If that takes too long, naming `what` was awaited.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// Looks until `look` finds something.
///
/// # Panics
/// If that takes too long, naming `what` was awaited.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(GLANCE).await;
        }
    })
    .await
}
