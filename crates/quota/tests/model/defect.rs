use crate::plan::Plan;

/// What can be built wrong. Each is put at a seam of the simulation, around code that knows nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Defect {
    /// The authority takes back what it granted to an asker that has been silent for some seconds.
    CreditsAtADeadline,
    /// A reserve that has lost its memory goes on with the highest sums that clients have seen.
    MergesWhatClientsSay,
    /// What was given back and is unanswered is given back again, under a new number.
    GivesBackTwice,
    /// What was given back to the reserve and is unanswered is given back to the authority, too.
    GivesBackToBoth,
    /// A copy of an answer is taken for the answer to the present message.
    AppliesAnAnswerTwice,
    /// The authority decides the repetition of a refused message anew.
    TurnsANoIntoAYes,
    /// A call that was cut is settled to what was metered until then.
    SettlesToMetered,
    /// Less is held than the provider may produce, since the call is to be cut there.
    HoldsWhatItWouldCutAt,
    /// What is held knows nothing of a price that is announced.
    HoldsAtTheOldPrice,
    /// A price that rises unannounced changes nothing for calls that are open.
    LeavesOpenHoldsAtTheOldPrice,
    /// The ledger names the window by its replica's clock.
    NamesItsOwnWindow,
    /// An asker has one nonce for all its leases, and that alone names the reserve's memory.
    KeepsTheNonce,
    /// The reserve does not compare what it remembers with what the asker has seen.
    SkipsTheSequence,
    /// The reserve trusts the memory of its process, although it was a replica of another meanwhile.
    ForgetsThatItWasAReplica,
    /// A strict budget's call is paid from the hour alone that it begins in.
    HoldsInOneWindow,
    /// The replica's own clock decides whether a call may touch a window.
    TrustsItsOwnClock,
    /// A call is not cut off after its longest time.
    LetsCallsGoOn,
    /// It is not looked again, before a call is sent, whether it is too late.
    SendsLate,
}

impl Defect {
    pub(crate) const ALL: [Self; 18] = [
        Self::CreditsAtADeadline,
        Self::MergesWhatClientsSay,
        Self::GivesBackTwice,
        Self::GivesBackToBoth,
        Self::AppliesAnAnswerTwice,
        Self::TurnsANoIntoAYes,
        Self::SettlesToMetered,
        Self::HoldsWhatItWouldCutAt,
        Self::HoldsAtTheOldPrice,
        Self::LeavesOpenHoldsAtTheOldPrice,
        Self::NamesItsOwnWindow,
        Self::KeepsTheNonce,
        Self::SkipsTheSequence,
        Self::ForgetsThatItWasAReplica,
        Self::HoldsInOneWindow,
        Self::TrustsItsOwnClock,
        Self::LetsCallsGoOn,
        Self::SendsLate,
    ];

    /// Whether it may show in a run of this seed.
    pub(crate) const fn may_show(self, seed: u64) -> bool {
        match self {
            Self::KeepsTheNonce => Plan::flushes(seed),
            Self::SkipsTheSequence => Plan::rewinds(seed),
            Self::ForgetsThatItWasAReplica => Plan::fails_over(seed),
            Self::HoldsInOneWindow
            | Self::TrustsItsOwnClock
            | Self::LetsCallsGoOn
            | Self::SendsLate => Plan::is_strict(seed),
            _ => !Plan::is_strict(seed),
        }
    }
}
