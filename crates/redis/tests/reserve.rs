//! A reserve may lose its memory in every way; it never lends what was not funded in the memory that lends it.

#[path = "support/server.rs"]
mod server;

use std::collections::HashMap;

use proptest::{prelude::*, test_runner::TestRunner};
use tollgate_quota::bank::{Asker, BankError, Demand, Holder, Message, Reply, Reserve, Window};
use tollgate_redis::{Redis, RedisReserve};

use self::server::{Server, until};

#[tokio::test]
async fn what_was_funded_is_lent_once() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut client = Client::new(&server);
    let holder = client.begin().await;

    assert_eq!(client.fund(holder, 1000).await, Reply::Booked);
    let first = client.lease(Some(holder), 300, 300).await;
    let second = client.lease(Some(holder), 700, 900).await;
    let third = client.lease(Some(holder), 1, 1).await;

    assert!(
        matches!(first, Reply::Leased { amount: 300, .. }),
        "{first:?}"
    );
    assert!(
        matches!(
            second,
            Reply::Leased {
                amount: 700,
                scarce: true,
                ..
            }
        ),
        "{second:?}"
    );
    assert!(
        matches!(third, Reply::Unfunded { holder: same, .. } if same == holder),
        "{third:?}"
    );
    assert_eq!(client.give_back(holder, 500).await, Reply::Booked);
    let fourth = client.lease(None, 500, 500).await;
    assert!(
        matches!(fourth, Reply::Leased { amount: 500, .. }),
        "{fourth:?}"
    );
}

#[tokio::test]
async fn a_wish_leaves_something_for_the_others() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut clients = [Client::new(&server), Client::new(&server)];
    let holder = clients[0].begin().await;
    clients[1].lease(None, 1, 1).await;
    clients[0].fund(holder, 1000).await;

    let lease = clients[0].lease(Some(holder), 10, 1000).await;

    assert!(
        matches!(
            lease,
            Reply::Leased {
                amount: 250,
                scarce: false,
                ..
            }
        ),
        "{lease:?}"
    );
}

#[tokio::test]
async fn an_answer_is_final_for_its_number() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut client = Client::new(&server);
    let holder = client.begin().await;
    let unfunded = client.last.clone().unwrap();

    let fund = client.message(Demand::Fund {
        holder,
        window: WINDOW,
        amount: 100,
    });
    assert_eq!(client.send(&fund).await, Reply::Booked);
    assert_eq!(client.send(&fund).await, Reply::Booked);
    assert_eq!(client.send(&unfunded).await, Reply::Old);
    let lease = client.message(lease(Some(holder), 0, 60, 60));
    let leased = client.send(&lease).await;
    assert_eq!(client.send(&lease).await, leased);
    let refused = client.message(self::lease(Some(holder), 0, 60, 60));
    let no = client.send(&refused).await;
    assert!(
        matches!(no, Reply::Unfunded { .. }),
        "the block was booked once: {no:?}"
    );
    let mut other = Client::new(&server);
    other.fund(holder, 1000).await;
    assert_eq!(client.send(&refused).await, no);
    let back = client.message(Demand::GiveBack {
        holder,
        window: WINDOW,
        amount: 60,
    });
    assert_eq!(client.send(&back).await, Reply::Booked);
    assert_eq!(client.send(&back).await, Reply::Booked);
    let all = other.lease(Some(holder), 1101, 1101).await;
    assert!(matches!(all, Reply::Unfunded { .. }), "{all:?}");
    let all = other.lease(Some(holder), 1100, 1100).await;
    assert!(matches!(all, Reply::Leased { amount: 1100, .. }), "{all:?}");
}

#[tokio::test]
async fn after_a_flush_there_is_another_holder() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut client = Client::new(&server);
    let holder = client.funded(1000).await;

    server.command(&["FLUSHALL"]);

    assert_eq!(
        client.fund(holder, 1000).await,
        Reply::Stale,
        "the block stays spent"
    );
    client.begins_anew(holder).await;
    assert_eq!(client.fund(holder, 1000).await, Reply::Stale);
    assert_eq!(client.give_back(holder, 10).await, Reply::Stale);
    let lease = client.lease(Some(holder), 1, 1).await;
    assert_eq!(
        lease,
        Reply::Stale,
        "another holder does not lend to who asks for this one"
    );
    let lease = client.lease(None, 1, 1).await;
    assert!(matches!(lease, Reply::Unfunded { .. }), "{lease:?}");
}

#[tokio::test]
async fn after_a_restart_there_is_another_holder_although_all_was_kept() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return;
    };
    let mut client = Client::new(&server);
    let holder = client.funded(1000).await;

    server.restart();

    assert_ne!(server.command(&["DBSIZE"]), "0");
    client
        .retried(
            Demand::Fund {
                holder,
                window: WINDOW,
                amount: 1000,
            },
            &Reply::Stale,
        )
        .await;
    client.begins_anew(holder).await;
}

#[tokio::test]
async fn a_holder_that_is_behind_what_was_seen_ends() {
    let Some(server) = Server::start(&["--enable-debug-command", "yes"]) else {
        return;
    };
    let mut client = Client::new(&server);
    let holder = client.funded(1000).await;
    server.command(&["DEBUG", "RELOAD"]);
    let lease = client.lease(Some(holder), 10, 10).await;
    let Reply::Leased { seq, .. } = lease else {
        panic!("nothing was lost: {lease:?}");
    };

    server.command(&["SAVE"]);
    let later = client.lease(Some(holder), 10, 10).await;
    server.command(&["DEBUG", "RELOAD", "NOSAVE"]);

    assert!(matches!(later, Reply::Leased { seq: more, .. } if more > seq));
    client.begins_anew(holder).await;
}

#[tokio::test]
async fn two_primaries_are_two_holders_and_so_is_one_that_comes_back() {
    let (Some(first), Some(second)) = (Server::start(&[]), Server::start(&[])) else {
        return;
    };
    // A server that gets its first replica is another one from then on.
    follow(&second, &first);
    let mut client = Client::new(&first);
    let holder = client.funded(1000).await;
    assert_eq!(first.command(&["WAIT", "1", "10000"]), "1");
    second.command(&["REPLICAOF", "NO", "ONE"]);

    let mut other = Client::new(&second);
    let promoted = other.begins_anew(holder).await;
    assert_eq!(other.fund(holder, 1000).await, Reply::Stale);
    let lease = client.lease(Some(holder), 10, 10).await;
    assert!(
        matches!(lease, Reply::Leased { .. }),
        "the first has its own: {lease:?}"
    );

    // Nothing of the second's reaches the first's key before it is a primary again, but what the second has.
    follow(&first, &second);
    first.command(&["REPLICAOF", "NO", "ONE"]);
    let mut client = Client::new(&first);
    let again = client.begins_anew(promoted).await;
    assert_ne!(again, holder);
}

#[tokio::test]
async fn one_that_was_demoted_with_its_own_memory_is_another_holder_when_promoted_again() {
    let (Some(first), Some(second)) = (Server::start(&[]), Server::start(&[])) else {
        return;
    };
    // A server that gets its first replica is another one from then on.
    follow(&second, &first);
    let mut client = Client::new(&first);
    let holder = client.funded(1000).await;
    assert_eq!(first.command(&["WAIT", "1", "10000"]), "1");
    // What the second has is older than what the first did then, and was written by the first's own process.
    second.command(&["REPLICAOF", "NO", "ONE"]);
    client.lease(Some(holder), 900, 900).await;
    follow(&first, &second);
    first.command(&["REPLICAOF", "NO", "ONE"]);

    let mut client = Client::new(&first);
    client.begins_anew(holder).await;
}

#[tokio::test]
async fn too_many_askers_end_a_memory_and_none_of_them_is_paid_twice() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut client = Client::new(&server);
    let holder = client.begin().await;
    let fund = client.message(Demand::Fund {
        holder,
        window: WINDOW,
        amount: 1000,
    });
    assert_eq!(client.send(&fund).await, Reply::Booked);

    for asker in 0..5000 {
        client.asker = Asker(asker);
        client.lease(None, 1, 1).await;
    }

    assert_eq!(client.send(&fund).await, Reply::Stale);
    let key = server.command(&["KEYS", "*"]);
    let rows: u32 = server.command(&["HLEN", &key]).parse().unwrap();
    assert!(rows <= 4096 + 8, "{rows}");
}

#[tokio::test]
async fn a_key_goes_a_day_after_its_window_and_that_of_a_total_budget_never() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut client = Client::new(&server);
    client.begin().await;
    let key = server.command(&["KEYS", "*"]);
    assert_eq!(
        server.command(&["PEXPIRETIME", &key]),
        (WINDOW.ends_at + 86_400_000).to_string()
    );
    server.command(&["FLUSHALL"]);

    let total = Window {
        ends_at: i64::MAX,
        ..WINDOW
    };
    let message = client.message(Demand::Lease {
        window: total,
        holder: None,
        seen: 0,
        nonce: 1,
        least: 1,
        wish: 1,
    });
    client.send(&message).await;

    let key = server.command(&["KEYS", "*"]);
    assert_eq!(server.command(&["PEXPIRETIME", &key]), "-1");
}

#[tokio::test]
async fn what_cannot_be_counted_exactly_is_no_answer() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut client = Client::new(&server);
    let holder = client.begin().await;

    const MOST: i64 = (1 << 53) - 1;
    for amount in [MOST + 1, i64::MAX, -1, i64::MIN] {
        let fund = client.message(Demand::Fund {
            holder,
            window: WINDOW,
            amount,
        });
        assert!(client.try_send(&fund).await.is_err(), "{amount}");
    }
    assert_eq!(client.fund(holder, MOST - 1).await, Reply::Booked);
    let over = client.message(Demand::Fund {
        holder,
        window: WINDOW,
        amount: 2,
    });
    assert!(
        client.try_send(&over).await.is_err(),
        "the sum is too large"
    );
    let lease = Client::new(&server)
        .lease(Some(holder), MOST - 1, i64::MAX)
        .await;
    assert!(
        matches!(lease, Reply::Leased { amount, .. } if amount == MOST - 1),
        "{lease:?}"
    );
    assert_eq!(
        client.send(&over).await,
        Reply::Booked,
        "that was no answer"
    );
}

#[test]
fn whatever_is_lost_or_repeated_no_memory_lends_more_than_it_was_given() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = proptest::test_runner::Config::with_cases(40);
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..60), |steps| {
            server.command(&["FLUSHALL"]);
            runtime.block_on(run(&server, steps))
        })
        .unwrap();
}

/// Three askers, each of whose messages may be sent again at any time.
async fn run(server: &Server, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut clients = [0, 1, 2].map(|_| Client::new(server));
    let mut sent: Vec<(usize, Message<Demand>, Option<Reply>)> = Vec::new();
    let mut holders: Vec<Holder> = Vec::new();
    let mut lent: HashMap<Holder, i64> = HashMap::new();
    let mut funded: HashMap<Holder, i64> = HashMap::new();
    let mut seen: HashMap<Holder, u64> = HashMap::new();
    for step in steps {
        let (who, message, before) = match step {
            Step::Flush => {
                server.command(&["FLUSHALL"]);
                continue;
            }
            Step::Lease { who, amount } => {
                let holder = holders.last().copied();
                let seen = holder.map_or(0, |holder| seen[&holder]);
                (
                    who,
                    clients[who].message(lease(holder, seen, amount / 2, amount)),
                    None,
                )
            }
            Step::Fund { who, amount, which } => {
                let Some(&holder) = holders.iter().rev().nth(which) else {
                    continue;
                };
                (
                    who,
                    clients[who].message(Demand::Fund {
                        holder,
                        window: WINDOW,
                        amount,
                    }),
                    None,
                )
            }
            Step::GiveBack { who, amount } => {
                let Some(&holder) = holders.last() else {
                    continue;
                };
                let amount = amount.min(lent.get(&holder).copied().unwrap_or(0));
                // Destroyed here first.
                *lent.entry(holder).or_default() -= amount;
                let message = Demand::GiveBack {
                    holder,
                    window: WINDOW,
                    amount,
                };
                (who, clients[who].message(message), None)
            }
            Step::Again { which } => {
                let Some((who, message, reply)) = sent.iter().rev().nth(which).cloned() else {
                    continue;
                };
                (who, message, Some(reply))
            }
        };
        let reply = clients[who].send(&message).await;
        match (&message.ask, &reply) {
            _ if before
                .as_ref()
                .is_some_and(|before| before.as_ref() == Some(&reply)) => {}
            (
                Demand::Lease { .. },
                Reply::Leased {
                    holder,
                    seq,
                    amount,
                    ..
                },
            ) => {
                *lent.entry(*holder).or_default() += amount;
                seen.insert(*holder, *seq);
            }
            (Demand::Lease { .. }, Reply::Unfunded { holder, seq }) => {
                if !holders.contains(holder) {
                    holders.push(*holder);
                }
                seen.insert(*holder, *seq);
            }
            (Demand::Lease { .. }, Reply::Stale) => {
                holders.pop();
            }
            // The authority grants a block once for each message.
            (Demand::Fund { holder, amount, .. }, Reply::Booked) => {
                prop_assert!(before.is_none(), "a no became a yes");
                *funded.entry(*holder).or_default() += amount;
            }
            _ => {}
        }
        if before.is_none() {
            sent.push((who, message, Some(reply)));
        }
        for (holder, lent) in &lent {
            let funded = funded.get(holder).copied().unwrap_or(0);
            prop_assert!(*lent <= funded, "{lent} of {funded}");
        }
    }
    Ok(())
}

#[derive(Clone, Debug)]
enum Step {
    Lease {
        who: usize,
        amount: i64,
    },
    Fund {
        who: usize,
        amount: i64,
        which: usize,
    },
    GiveBack {
        who: usize,
        amount: i64,
    },
    Again {
        which: usize,
    },
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize, 1..1500_i64).prop_map(|(who, amount)| Step::Lease { who, amount }),
        3 => (0..3_usize, 1..1000_i64, 0..2_usize)
            .prop_map(|(who, amount, which)| Step::Fund { who, amount, which }),
        2 => (0..3_usize, 1..500_i64).prop_map(|(who, amount)| Step::GiveBack { who, amount }),
        6 => (0..4_usize).prop_map(|which| Step::Again { which }),
        1 => Just(Step::Flush),
    ]
}

struct Client {
    reserve: RedisReserve,
    asker: Asker,
    number: u64,
    seen: u64,
    last: Option<Message<Demand>>,
}

impl Client {
    fn new(server: &Server) -> Self {
        let redis = Redis::open(&server.url()).unwrap().deadline(PATIENCE);
        Self {
            reserve: RedisReserve::new(redis),
            asker: Asker::random(),
            number: 0,
            seen: 0,
            last: None,
        }
    }

    /// The name of a memory that has just begun.
    async fn begin(&mut self) -> Holder {
        match self.lease(None, 1, 1).await {
            Reply::Unfunded { holder, .. } => holder,
            reply => panic!("{reply:?}"),
        }
    }

    async fn funded(&mut self, amount: i64) -> Holder {
        let holder = self.begin().await;
        assert_eq!(self.fund(holder, amount).await, Reply::Booked);
        let lease = self.lease(Some(holder), 10, 10).await;
        assert!(matches!(lease, Reply::Leased { .. }), "{lease:?}");
        holder
    }

    async fn begins_anew(&mut self, before: Holder) -> Holder {
        match self.lease(Some(before), 1, 1).await {
            Reply::Unfunded { holder, .. } if holder != before => holder,
            reply => panic!("{reply:?}"),
        }
    }

    async fn lease(&mut self, holder: Option<Holder>, least: i64, wish: i64) -> Reply {
        let message = self.message(lease(holder, self.seen, least, wish));
        let reply = self.send(&message).await;
        if let Reply::Leased { seq, .. } | Reply::Unfunded { seq, .. } = reply {
            self.seen = seq;
        }
        reply
    }

    async fn fund(&mut self, holder: Holder, amount: i64) -> Reply {
        let message = self.message(Demand::Fund {
            holder,
            window: WINDOW,
            amount,
        });
        self.send(&message).await
    }

    async fn give_back(&mut self, holder: Holder, amount: i64) -> Reply {
        let message = self.message(Demand::GiveBack {
            holder,
            window: WINDOW,
            amount,
        });
        self.send(&message).await
    }

    fn message(&mut self, ask: Demand) -> Message<Demand> {
        self.number += 1;
        let message = Message {
            account: "team-7:{month}".into(),
            asker: self.asker,
            number: self.number,
            ask,
        };
        self.last = Some(message.clone());
        message
    }

    async fn send(&self, message: &Message<Demand>) -> Reply {
        self.try_send(message).await.unwrap()
    }

    /// Repeats it until it is answered, with another nonce each time.
    async fn retried(&mut self, ask: Demand, expected: &Reply) {
        let message = self.message(ask);
        for _ in 0..1000 {
            if let Ok(reply) = self.try_send(&message).await {
                assert_eq!(reply, *expected);
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("there is no answer");
    }

    async fn try_send(&self, message: &Message<Demand>) -> Result<Reply, BankError> {
        let mut message = message.clone();
        if let Demand::Lease { nonce, .. } = &mut message.ask {
            *nonce = Asker::random().0;
        }
        self.reserve.ask(message).await
    }
}

fn lease(holder: Option<Holder>, seen: u64, least: i64, wish: i64) -> Demand {
    Demand::Lease {
        window: WINDOW,
        holder,
        seen,
        nonce: 0,
        least,
        wish,
    }
}

fn follow(replica: &Server, primary: &Server) {
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    until(|| {
        replica
            .command(&["INFO", "replication"])
            .contains("master_link_status:up")
    });
}

const WINDOW: Window = Window {
    number: 7,
    starts_at: 0,
    ends_at: 4_000_000_000_000,
    now: 1_800_000_000_000,
};
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
