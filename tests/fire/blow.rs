/// One thing that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    /// A gateway dies, and another starts in its place.
    KillGateway,
    /// A gateway is stopped in its tracks, and goes on later.
    FreezeGateway,
    /// Half of the gateways are stopped before the end of the hour, and go on after it.
    FreezeAcrossTheEnd,
    /// The machine loses power, and with it what was not synced.
    LosePower,
    /// Postgres dies, and is started again.
    KillPostgres,
    /// Redis starts, which was not there before.
    StartRedis,
    /// Redis dies, and is started again.
    KillRedis,
    /// Redis dies and forgets the last that it wrote, and a gateway dies with what it was just granted.
    LoseTailWithGateway,
    /// Redis forgets everything.
    FlushRedis,
    /// Redis hangs for a while.
    FreezeRedis,
}
