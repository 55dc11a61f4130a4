use std::time::Duration;

use tokio::time::Instant;

/// Governor's clock on tokio's time, so that paused time counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }
}

impl governor::clock::Clock for Clock {
    /// The time since the clock was started.
    type Instant = Duration;

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.epoch)
    }
}
