use std::{collections::VecDeque, sync::Arc, time::Duration};

use proptest::prelude::*;
use tollgate_core::fact::{Cost, Period, Strict};

use super::*;
use crate::bank::{self, Answer, Holder, Message, Order, Reply, books::Book};

#[test]
fn the_first_hold_asks_the_authority_and_then_fits() {
    let mut bench = Bench::new(hard(1_000), false);

    assert_eq!(bench.hold(10), Err(Why::Unavailable));
    bench.exchange();

    assert!(bench.hold(10).is_ok());
    assert_eq!(
        bench.book.windows[0].granted, 10,
        "the first lease is the least"
    );
}

#[test]
fn what_is_spent_is_told_at_once_and_asked_again_later() {
    let mut bench = Bench::new(hard(100), false);
    assert_eq!(bench.hold(101), Err(Why::Spent), "it never fits");
    bench.fill(50);
    assert_eq!(bench.hold(60), Err(Why::Unavailable));
    bench.exchange();

    assert_eq!(bench.hold(60), Err(Why::Spent));
    assert!(bench.account.next_message(bench.now, || 7).is_none());

    bench.now += 250;
    assert_eq!(bench.hold(60), Err(Why::Unavailable));
}

#[test]
fn an_idle_account_gives_back_what_is_free_and_keeps_what_is_held() {
    let mut bench = Bench::new(hard(1_000), false);
    bench.fill(10);
    bench.fill(100);
    bench.exchange();
    let granted = bench.book.windows[0].granted;
    assert!(granted > 110);

    bench.now += 4_000;
    bench.exchange();

    assert_eq!(bench.book.windows[0].granted, 110);
    assert!(!bench.account.is_idle(bench.now), "two holds are open");
    bench.settle(0, 10);
    bench.settle(0, 40);
    bench.now += 4_000;
    bench.exchange();
    assert_eq!(bench.book.windows[0].granted, 50);
    assert!(bench.account.is_idle(bench.now));
}

#[test]
fn a_lost_message_is_repeated_with_its_number_and_granted_once() {
    let mut bench = Bench::new(hard(1_000), false);
    let _ = bench.hold(10);
    let first = bench.send().unwrap();
    bench.decide(&first);
    bench.account.lost(first.ticket, bench.now);
    assert!(bench.send().is_none(), "it waits before it asks again");

    bench.now += 1_000;
    let second = bench.send().unwrap();
    assert_eq!(first.ticket, second.ticket);
    let answer = bench.decide(&second);
    bench
        .account
        .answered(second.ticket, answer.clone(), bench.now);
    bench.account.answered(second.ticket, answer, bench.now);

    assert_eq!(bench.account.figures(bench.now).granted, 10);
    assert_eq!(bench.book.windows[0].granted, 10);
}

#[test]
fn an_asker_that_was_forgotten_is_a_new_one() {
    let mut bench = Bench::new(hard(1_000), false);
    bench.fill(10);
    bench.book.askers.clear();
    let _ = bench.hold(500);

    let refused = bench.send().unwrap();
    let answer = bench.decide(&refused);
    assert_eq!(answer, Answer::Old);
    bench.account.answered(refused.ticket, answer, bench.now);
    let again = bench.send().unwrap();

    assert_ne!(again.ticket.asker, refused.ticket.asker);
    assert_eq!(again.ticket.number, 1);
}

#[test]
fn what_exceeds_a_hold_comes_from_the_pool_and_then_is_charged() {
    let mut bench = Bench::new(hard(1_000), false);
    bench.fill(10);

    assert_eq!(bench.settle(0, 25), 15);
    bench.exchange();

    let free: i64 = bench.account.pools().iter().map(Pool::free).sum();
    assert_eq!(bench.book.windows[0].granted - free, 25);
    assert!(bench.account.debts().is_empty());
}

#[test]
fn what_a_dearer_call_holds_comes_from_the_pool_and_then_is_owed_until_it_is_booked() {
    let mut bench = Bench::new(hard(100), false);
    bench.fill(60);
    bench.fill(20);
    bench.settle(1, 0);

    assert_eq!(bench.raise(0, 30), 10);
    assert_eq!(bench.settle(2, 0), 0);
    let free = |bench: &Bench| bench.account.pools().iter().map(Pool::free).sum::<i64>();
    assert_eq!(free(&bench), 0, "nobody has granted it");
    bench.exchange();

    assert_eq!(bench.book.windows[0].granted, 90);
    assert_eq!(free(&bench), 10);
    bench.now += 4_000;
    bench.exchange();
    assert_eq!(bench.book.windows[0].granted, 80);
}

#[test]
fn a_debt_of_an_open_window_is_told_until_it_is_booked_however_often_its_asker_is_forgotten() {
    let mut bench = Bench::new(hard(1_000), false);
    bench.fill(10);
    bench.settle(0, 25);

    let mut told = 0;
    for _ in 0..10 {
        while let Some(send) = bench.send() {
            if matches!(&send.ask, Ask::Authority(message) if matches!(message.ask, Order::Charge { .. }))
            {
                bench.book.askers.clear();
                told += 1;
            }
            let answer = bench.decide(&send);
            bench.tell(send.ticket, Heard::Answer(answer));
            assert!(told <= 30, "it does not shout");
        }
        let due = bench.account.due(bench.now).unwrap();
        assert!(due > bench.now && !bench.account.is_asking(bench.now));
        bench.now = due;
    }
    assert_eq!(bench.account.debts(), [(1, 15)]);
    bench.exchange();

    assert!(bench.account.debts().is_empty());
    assert_eq!(bench.book.windows[0].granted, 25);
}

#[test]
fn a_debt_of_a_window_that_has_ended_is_booked_by_who_knew_it_and_else_comes_too_late() {
    for is_forgotten in [false, true] {
        let mut bench = Bench::new(hard(1_000), false);
        bench.fill(10);
        bench.now += 3_600_000;
        bench.fill(20);
        bench.settle(0, 25);
        if is_forgotten {
            bench.book.askers.clear();
        }
        bench.exchange();

        assert!(bench.account.debts().is_empty());
        let expected = if is_forgotten { 10 } else { 25 };
        assert_eq!(bench.book.windows[0].granted, expected);
        assert!(bench.hold(1).is_ok() || bench.account.next_message(bench.now, || 9).is_some());
    }
}

#[test]
fn what_a_dead_process_owed_is_told_by_the_next_who_knows_the_budget_if_its_asker_is_forgotten() {
    for is_known in [true, false] {
        let mut bench = Bench::new(hard(1_000), false);
        bench.fill(10);
        bench.settle(0, 25);
        bench.die();
        if !is_known {
            bench.book.askers.clear();
        }

        bench.exchange();

        assert_eq!(bench.account.debts().is_empty(), is_known);
        let expected = if is_known { 25 } else { 10 };
        assert_eq!(bench.book.windows[0].granted, expected);
        assert_eq!(bench.book.windows[0].limit, 1_000);
        assert_eq!(bench.account.due(bench.now), None);
        assert!(bench.hold(10).is_err());
        bench.exchange();
        assert!(bench.hold(10).is_ok());
        assert!(bench.account.debts().is_empty());
        assert_eq!(bench.book.windows[0].granted, 35);
    }
}

#[test]
fn a_debt_that_cannot_be_counted_uses_up_its_window() {
    let mut bench = Bench::new(hard(1_000), false);
    bench.fill(10);
    let part = bench.open.remove(0);
    assert_eq!(
        bench.account.settle(part, i64::MAX, bench.now),
        i64::MAX - 10
    );

    bench.exchange();

    assert!(bench.account.debts().is_empty());
    assert_eq!(bench.book.windows[0].granted, i64::MAX);
    assert_eq!(bench.hold(1), Err(Why::Unavailable));
    bench.exchange();
    assert_eq!(bench.hold(1), Err(Why::Spent));
}

#[test]
fn a_pool_is_closed_when_its_window_ends() {
    let mut bench = Bench::new(hard(1_000), false);
    bench.fill(10);
    bench.fill(20);
    let ends_at = bench.book.windows[0].ends_at;

    bench.now = u64::try_from(ends_at).unwrap();
    assert_eq!(bench.hold(1), Err(Why::Unavailable));
    bench.exchange();
    assert!(bench.hold(1).is_ok());
    bench.settle(0, 10);

    let free = bench.account.figures(bench.now).left - (1_000 - bench.book.windows[1].granted);
    assert_eq!(bench.book.windows[1].granted - free, 1);
    assert_eq!(
        bench.account.figures(bench.now).spent,
        0,
        "it belongs to the window that paid it"
    );
}

#[test]
fn an_answer_that_comes_late_makes_a_gap_no_longer() {
    let strict = Strict::default();
    let mut bench = Bench::new(hard(1_000).strict(strict), false);
    bench.now = 10_000;
    bench.fill(10);
    let gap = bench.book.windows[0];
    assert!(gap.is_gap());
    bench.now = u64::try_from(gap.ends_at).unwrap() - 1;
    assert_eq!(bench.hold(500), Err(Why::Unavailable));
    let send = bench.send().unwrap();
    let answer = bench.decide(&send);

    bench.now += 1;
    bench.account.answered(send.ticket, answer, bench.now);

    assert_eq!(bench.hold(1), Err(Why::Unavailable));
    bench.exchange();
    assert_eq!(bench.hold(1), Ok(()));
    assert!(!bench.book.windows[1].is_gap());
}

#[test]
fn a_gap_pays_for_nothing_once_its_calendar_has_changed() {
    let longer = Strict {
        longest_call: Duration::from_secs(29 * 60),
        ..Strict::default()
    };
    for budget in [hard(1_000), hard(1_000).strict(longer)] {
        for with_reserve in [false, true] {
            let mut bench = Bench::new(hard(1_000).strict(Strict::default()), with_reserve);
            bench.now = 2_400_000;
            bench.fill(100);
            bench.fill(100);
            bench.settle(0, 0);
            assert!(bench.book.windows[0].is_gap());

            bench.budget = budget.clone();
            assert_eq!(bench.hold(1), Err(Why::Unavailable));
            let first = bench.send().unwrap();
            assert!(!first.ticket.to_reserve, "the authority ends a gap");
            let answer = bench.decide(&first);
            bench.tell(first.ticket, Heard::Answer(answer));

            assert_eq!(bench.hold(1), Ok(()));
            let window = bench.book.windows[1];
            assert!(!window.is_gap() && window.granted >= 1);
        }
    }
}

#[test]
fn an_answer_by_the_calendar_of_before_opens_no_gap() {
    let mut bench = Bench::new(hard(1_000).strict(Strict::default()), false);
    bench.now = 10_000;
    bench.fill(10);
    assert!(bench.book.windows[0].is_gap());
    assert_eq!(bench.hold(500), Err(Why::Unavailable));
    let send = bench.send().unwrap();
    let answer = bench.decide(&send);
    bench.budget = hard(1_000);
    assert_eq!(bench.hold(1), Err(Why::Unavailable));

    bench.tell(send.ticket, Heard::Answer(answer));

    assert_eq!(bench.hold(1), Err(Why::Unavailable));
    bench.exchange();
    assert_eq!(bench.hold(1), Ok(()));
    assert!(!bench.book.windows[1].is_gap());
}

#[test]
fn what_is_counted_until_the_same_window_is_named_again_is_told_once() {
    let strict = hard(1_000).strict(Strict::default());
    let mut bench = Bench::new(strict, false);
    bench.now = 3_700_000; // A window of the even half.
    bench.fill(10);
    bench.settle(0, 10);

    bench.budget = Budget::observe(Cost::from_nanos(1_000), Period::Hour);
    assert_eq!(bench.hold(5), Ok(()));
    bench.settle(0, 5);
    bench.exchange();
    bench.now += 1_000;
    bench.exchange();

    assert_eq!(bench.book.windows.len(), 1);
    assert_eq!(bench.account.figures(bench.now).spent, 15);
    assert_eq!(bench.book.windows[0].granted, 15);
}

#[test]
fn leases_come_from_the_reserve_and_blocks_from_the_authority() {
    let mut bench = Bench::new(hard(100_000), true);
    bench.fill(10);
    assert!(
        bench
            .account
            .pools()
            .iter()
            .all(|pool| pool.giver == Giver::Authority)
    );

    bench.fill(20);

    let reserve = bench.reserve.as_ref().unwrap();
    assert!(
        bench
            .account
            .pools()
            .iter()
            .any(|pool| pool.giver == Giver::Reserve(reserve.holder))
    );
    assert_eq!(bench.book.windows[0].granted, 10 + reserve.funded);
    assert!(reserve.funded > reserve.granted);
}

#[test]
fn a_reserve_that_does_not_answer_is_passed_by() {
    let mut bench = Bench::new(hard(100_000), true);
    bench.fill(10);
    let _ = bench.hold(20);
    let lease = bench.send().unwrap();
    assert!(lease.ticket.to_reserve);

    bench.account.lost(lease.ticket, bench.now);
    let grant = bench.send().unwrap();

    assert!(!grant.ticket.to_reserve);
}

#[test]
fn what_a_holder_lent_that_is_gone_goes_back_to_the_authority() {
    let mut bench = Bench::new(hard(100_000), true);
    bench.fill(10);
    bench.fill(20);
    bench.settle(1, 0);
    let before = bench.book.windows[0].granted;
    let reserve = bench.reserve.as_mut().unwrap();
    reserve.forget(99);

    bench.fill(3_000);
    bench.settle(0, 10);
    let lent: i64 = bench
        .account
        .pools()
        .iter()
        .filter(|pool| pool.giver == Giver::Gone)
        .map(Pool::free)
        .sum();
    assert!(lent > 0 || bench.book.windows[0].granted >= before);
    bench.exchange();
    bench.now += 5_000;
    bench.exchange();

    let free: i64 = bench.account.pools().iter().map(Pool::free).sum();
    assert_eq!(free, 0);
    bench.check();
}

#[test]
fn what_a_dead_process_was_lent_goes_back_to_its_holder_or_stays_spent() {
    for is_same in [true, false] {
        let mut bench = Bench::new(hard(100_000), true);
        bench.fill(10);
        bench.fill(20);
        bench.settle(1, 0);
        assert!(bench.noted.is_some_and(|record| record.lent.is_some()) || bench.hold(1).is_ok());
        let granted = bench.book.windows[0].granted;
        let lent = bench.reserve.as_ref().unwrap().granted;
        if !is_same {
            bench.reserve.as_mut().unwrap().forget(99);
        }

        bench.die();
        let free: i64 = bench.account.pools().iter().map(Pool::free).sum();
        assert!(free > 0);
        bench.now += 5_000;
        bench.exchange();

        assert!(bench.account.pools().is_empty());
        assert_eq!(bench.book.windows[0].granted, granted);
        if is_same {
            assert_eq!(bench.reserve.as_ref().unwrap().granted, lent - free);
        }
    }
}

#[test]
fn what_a_dead_process_left_is_held_once_the_authority_has_named_the_window() {
    let mut bench = Bench::new(hard(1_000), false);
    bench.fill(100);
    bench.settle(0, 0);
    bench.fill(10);
    bench.die();

    assert_eq!(bench.hold(90), Err(Why::Unavailable));
    let send = bench.send().unwrap();
    assert_eq!(send.ticket.asker, Asker(1));
    let answer = bench.decide(&send);
    bench.tell(send.ticket, Heard::Answer(answer));

    assert!(bench.hold(90).is_ok());
    bench.check();
}

#[test]
fn a_soft_budget_is_counted_here_and_told_once_a_second() {
    let mut bench = Bench::new(Budget::soft(Cost::from_nanos(100), Period::Day), false);
    assert_eq!(
        bench.hold(60),
        Err(Why::Unavailable),
        "its window is not known"
    );
    bench.exchange();

    assert!(bench.hold(60).is_ok());
    assert!(
        bench.hold(60).is_ok(),
        "those under way may pass it a little"
    );
    assert_eq!(bench.hold(1), Err(Why::Spent));
    bench.settle(0, 50);
    bench.exchange();
    bench.settle(0, 45);
    bench.exchange();
    let first = bench.book.windows[0].granted;
    bench.now += 1_000;
    bench.exchange();

    assert_eq!((first, bench.book.windows[0].granted), (50, 95));
    assert!(bench.hold(60).is_ok());
    assert_eq!(bench.hold(1), Err(Why::Spent));
}

#[test]
fn an_observed_budget_admits_before_its_window_is_known_and_forgets_nothing() {
    let mut bench = Bench::new(Budget::observe(Cost::from_nanos(1), Period::Day), false);

    assert!(bench.hold(50).is_ok());
    bench.settle(0, 70);
    bench.now += 10_000;
    bench.exchange();

    assert_eq!(bench.book.windows[0].granted, 70);
    assert!(bench.account.is_idle(bench.now));
}

#[test]
fn a_warning_is_given_once_a_window() {
    let mut bench = Bench::new(hard(100), false);
    bench.fill(79);
    assert_eq!(bench.account.warning(80), None);

    bench.fill(5);

    assert_eq!(bench.account.warning(80), Some(84));
    assert_eq!(bench.account.warning(80), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn money_is_conserved_after_every_step(
        with_reserve: bool,
        soft in prop::bool::weighted(0.2),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let budget = if soft { Budget::soft(Cost::from_nanos(2_000), Period::Hour) } else { hard(2_000) };
        let mut bench = Bench::new(budget, with_reserve);
        for step in steps {
            bench.step(step);
            bench.check();
        }
        bench.finish();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Hold(i64),
    Settle(usize, i64),
    /// A hold becomes dearer.
    Raise(usize, i64),
    Send,
    /// The message is decided, and its answer waits.
    Decide,
    Deliver(usize),
    /// An old answer comes once more.
    Repeat(usize),
    Lose,
    Wait(u64),
    Flush,
    Forget,
    Die,
    /// What the dead one had sent arrives.
    Late,
    NextWindow,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_i64..300).prop_map(Step::Hold),
        5 => (any::<usize>(), -5_i64..320).prop_map(|(index, spent)| Step::Settle(index, spent)),
        3 => (any::<usize>(), 0_i64..200).prop_map(|(index, more)| Step::Raise(index, more)),
        8 => Just(Step::Send),
        8 => Just(Step::Decide),
        8 => any::<usize>().prop_map(Step::Deliver),
        2 => any::<usize>().prop_map(Step::Repeat),
        2 => Just(Step::Lose),
        4 => (0_u64..5_000).prop_map(Step::Wait),
        1 => Just(Step::Flush),
        1 => Just(Step::Forget),
        2 => Just(Step::Die),
        1 => Just(Step::Late),
        1 => Just(Step::NextWindow),
    ]
}

/// An account with a bank of its own, and what the provider bills.
struct Bench {
    account: Account,
    budget: Budget,
    book: Book,
    reserve: Option<Memory>,
    now: u64,
    draws: u128,
    open: Vec<Part>,
    under_way: Option<Send>,
    /// What the journal says.
    noted: Option<Record>,
    /// What a dead process had sent.
    late: Option<Send>,
    answers: VecDeque<(Ticket, Heard)>,
    heard: Vec<(Ticket, Heard)>,
    /// Settled, by all windows.
    billed: i64,
    over: i64,
    /// Charged: what a dead process owed may be twice.
    charged: i64,
}

#[derive(Clone, Debug)]
enum Heard {
    Answer(Answer),
    Reply(Reply),
}

/// A reserve that can lose its memory.
struct Memory {
    holder: Holder,
    window: u64,
    funded: i64,
    granted: i64,
    seq: u64,
    last: std::collections::BTreeMap<Asker, (u64, Reply)>,
}

impl Memory {
    fn forget(&mut self, holder: u128) {
        *self = Self {
            holder: Holder(holder),
            window: self.window,
            funded: 0,
            granted: 0,
            seq: 0,
            last: Default::default(),
        };
    }

    fn ask(&mut self, message: &Message<bank::Demand>) -> Reply {
        match self.last.get(&message.asker) {
            Some((number, reply)) if *number == message.number => return reply.clone(),
            Some((number, _)) if *number > message.number => return Reply::Old,
            _ => {}
        }
        let reply = match &message.ask {
            bank::Demand::Lease {
                window,
                holder,
                nonce,
                least,
                wish,
                ..
            } => {
                if window.number > self.window {
                    self.forget(*nonce);
                    self.window = window.number;
                }
                self.seq += 1;
                let free = self.funded - self.granted;
                if holder.is_some_and(|holder| holder != self.holder) {
                    Reply::Stale
                } else if free < *least {
                    Reply::Unfunded {
                        holder: self.holder,
                        seq: self.seq,
                    }
                } else {
                    let amount = (*wish).min(free);
                    self.granted += amount;
                    Reply::Leased {
                        holder: self.holder,
                        seq: self.seq,
                        amount,
                        scarce: false,
                    }
                }
            }
            bank::Demand::Fund { holder, amount, .. } if *holder == self.holder => {
                self.funded += amount;
                Reply::Booked
            }
            bank::Demand::GiveBack { holder, amount, .. } if *holder == self.holder => {
                assert!(*amount <= self.granted);
                self.granted -= amount;
                Reply::Booked
            }
            _ => Reply::Stale,
        };
        self.last
            .insert(message.asker, (message.number, reply.clone()));
        reply
    }
}

impl Bench {
    fn new(budget: Budget, with_reserve: bool) -> Self {
        let reserve = with_reserve.then(|| Memory {
            holder: Holder(1),
            window: 1,
            funded: 0,
            granted: 0,
            seq: 0,
            last: Default::default(),
        });
        Self {
            account: Account::new(Arc::from("a"), budget.clone(), Asker(1), with_reserve),
            budget,
            book: Book::default(),
            reserve,
            now: 1_000,
            draws: 1,
            open: Vec::new(),
            under_way: None,
            noted: None,
            late: None,
            answers: VecDeque::new(),
            heard: Vec::new(),
            billed: 0,
            over: 0,
            charged: 0,
        }
    }

    fn hold(&mut self, amount: i64) -> Result<(), Why> {
        let Self {
            account,
            budget,
            open,
            now,
            ..
        } = self;
        let held = account.hold(budget, amount, *now, |part| open.push(part));
        if held.is_ok() {
            self.noted = self.account.record();
        }
        held
    }

    fn settle(&mut self, index: usize, spent: i64) -> i64 {
        let part = self.open.remove(index);
        self.billed += spent.max(0);
        self.over += (spent - part.amount()).max(0);
        let debt = self.account.settle(part, spent, self.now);
        if spent > part.amount() {
            self.noted = self.account.record();
        }
        debt
    }

    fn raise(&mut self, index: usize, more: i64) -> i64 {
        let Self { account, open, .. } = self;
        let part = open[index];
        let debt = account.raise(part, more, self.now, |part| open.push(part));
        self.over += debt;
        self.noted = self.account.record();
        debt
    }

    /// Asks until it is there, and holds it.
    fn fill(&mut self, amount: i64) {
        for _ in 0..10 {
            if self.hold(amount).is_ok() {
                return;
            }
            self.exchange();
        }
        panic!("it never fits");
    }

    fn send(&mut self) -> Option<Send> {
        let draws = &mut self.draws;
        let send = self.account.next_message(self.now, || {
            *draws += 1;
            *draws
        });
        if send.is_some() {
            self.noted = self.account.record();
        }
        send
    }

    /// The process is killed, and another one goes on. What was open is billed in full.
    fn die(&mut self) {
        self.billed += self.open.drain(..).map(|part| part.amount()).sum::<i64>();
        self.late = self.under_way.take().or(self.late.take());
        let with_reserve = self.reserve.is_some();
        self.draws += 1;
        self.account = match self.noted {
            Some(record) => Account::inherit(Arc::from("a"), record, with_reserve, self.now),
            None => {
                let asker = Asker(self.draws);
                Account::new(Arc::from("a"), self.budget.clone(), asker, with_reserve)
            }
        };
    }

    fn decide(&mut self, send: &Send) -> Answer {
        match self.hear(send) {
            Heard::Answer(answer) => answer,
            Heard::Reply(reply) => panic!("the reserve said {reply:?}"),
        }
    }

    fn hear(&mut self, send: &Send) -> Heard {
        match &send.ask {
            Ask::Authority(message) => {
                let clock = i64::try_from(self.now).unwrap();
                let charged = matches!(message.ask, Order::Charge { .. });
                if let Order::Charge { amount, .. } = message.ask {
                    self.charged = self.charged.saturating_add(amount);
                }
                let answer = self.book.decide(message, clock).unwrap();
                assert!(
                    charged
                        || self.book.windows.iter().all(|row| row.is_gap()
                            || row.granted <= row.limit.saturating_add(self.charged))
                );
                Heard::Answer(answer)
            }
            Ask::Reserve(message) => Heard::Reply(self.reserve.as_mut().unwrap().ask(message)),
        }
    }

    fn tell(&mut self, ticket: Ticket, heard: Heard) {
        match heard {
            Heard::Answer(answer) => self.account.answered(ticket, answer, self.now),
            Heard::Reply(reply) => self.account.replied(ticket, reply, self.now),
        }
    }

    /// Talks until there is nothing more to say.
    fn exchange(&mut self) {
        for _ in 0..50 {
            let Some(send) = self.send() else {
                return;
            };
            let heard = self.hear(&send);
            self.tell(send.ticket, heard);
            self.check();
        }
        panic!("the talk does not end");
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Hold(amount) => drop(self.hold(amount)),
            Step::Settle(index, spent) if !self.open.is_empty() => {
                self.settle(index % self.open.len(), spent);
            }
            Step::Raise(index, more) if !self.open.is_empty() => {
                self.raise(index % self.open.len(), more);
            }
            Step::Send if self.under_way.is_none() => self.under_way = self.send(),
            Step::Decide => {
                if let Some(send) = self.under_way.clone() {
                    let heard = self.hear(&send);
                    self.answers.push_back((send.ticket, heard));
                }
            }
            Step::Deliver(index) if !self.answers.is_empty() => {
                let (ticket, heard) = self.answers.remove(index % self.answers.len()).unwrap();
                if self
                    .under_way
                    .as_ref()
                    .is_some_and(|send| send.ticket == ticket)
                {
                    self.under_way = None;
                }
                self.heard.push((ticket, heard.clone()));
                self.tell(ticket, heard);
            }
            Step::Repeat(index) if !self.heard.is_empty() => {
                let before = format!("{:?}", self.account);
                let (ticket, heard) = self.heard[index % self.heard.len()].clone();
                self.tell(ticket, heard);
                assert_eq!(
                    before,
                    format!("{:?}", self.account),
                    "an answer is applied once"
                );
            }
            Step::Lose => {
                if let Some(send) = self.under_way.take() {
                    self.account.lost(send.ticket, self.now);
                }
            }
            Step::Wait(time) => self.now += time,
            Step::Flush => {
                self.draws += 1;
                let draws = self.draws;
                self.reserve
                    .iter_mut()
                    .for_each(|reserve| reserve.forget(draws));
            }
            Step::Die => self.die(),
            Step::Late => {
                if let Some(send) = self.late.take() {
                    let heard = self.hear(&send);
                    self.tell(send.ticket, heard);
                }
            }
            Step::Forget => self.book.askers.clear(),
            Step::NextWindow => self.now += 3_600_000,
            _ => {}
        }
    }

    /// What is granted by the authority covers what is free, held and spent here; nobody has what another has.
    fn check(&self) {
        for pool in self.account.pools() {
            assert!(pool.held >= 0 && pool.spent >= 0);
            if pool.giver != Giver::Tally {
                assert!(pool.held + pool.spent <= pool.granted, "{pool:?}");
                let unused = pool.granted - pool.held - pool.spent;
                let is_owed = pool.giver == Giver::Owed;
                assert_eq!(pool.free(), if is_owed { 0 } else { unused });
            }
        }
        let held: i64 = self.account.pools().iter().map(|pool| pool.held).sum();
        assert_eq!(held, self.open.iter().map(Part::amount).sum::<i64>());
        for row in &self.book.windows {
            let here = self
                .account
                .pools()
                .iter()
                .filter(|pool| pool.window == row.number);
            let direct: i64 = here
                .clone()
                .filter(|pool| pool.giver == Giver::Authority)
                .map(|pool| pool.granted)
                .sum();
            assert!(direct <= row.granted, "{row:?} {:?}", self.account);
        }
        if let Some(reserve) = &self.reserve {
            assert!(reserve.granted <= reserve.funded);
            let lent = self
                .account
                .pools()
                .iter()
                .filter(|pool| pool.giver == Giver::Reserve(reserve.holder));
            assert!(lent.map(|pool| pool.granted).sum::<i64>() <= reserve.granted);
        }
        if self.budget.mode() == Mode::Hard {
            // Whatever happened: what was billed within its holds was granted before.
            let granted: i64 = self
                .book
                .windows
                .iter()
                .map(|row| row.granted.min(row.limit.max(row.granted)))
                .sum();
            let pruned = self.book.windows.first().is_some_and(|row| row.number > 1);
            assert!(
                pruned || self.billed - self.over + held <= granted,
                "{:?} {:?}",
                self.book,
                self.account
            );
        }
    }

    /// All that is open is settled, and all that is free goes back.
    fn finish(&mut self) {
        // What a dead process owed may have to wait for somebody who says what the budget is.
        let _ = self.hold(0);
        while !self.open.is_empty() {
            self.settle(0, 0);
        }
        if let Some(send) = self.under_way.take() {
            self.account.lost(send.ticket, self.now);
        }
        for _ in 0..100 {
            self.now += 5_000;
            self.exchange();
        }
        assert!(self.account.is_idle(self.now), "{:?}", self.account);
    }
}

fn hard(limit: i64) -> Budget {
    Budget::hard(Cost::from_nanos(limit), Period::Hour)
}
