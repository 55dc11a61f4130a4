//! Facts: each by its type, wherever a trail keeps it.

use tollgate_core::{
    Trail,
    fact::{CacheStatus, Cost, Dispatch, Superseded, Target, Usage},
};

#[test]
fn a_fact_takes_the_place_of_one_of_its_type_and_of_no_other() {
    let trail = Trail::new();
    trail.set(CacheStatus::Miss);
    trail.set("a type that nobody knows");
    trail.set(7_u8);

    trail.set(CacheStatus::Hit);
    trail.set(8_u8);

    assert_eq!(trail.get(), Some(CacheStatus::Hit));
    assert_eq!(trail.get(), Some(8_u8));
    assert_eq!(trail.get(), Some("a type that nobody knows"));
    assert_eq!(trail.get::<Dispatch>(), None);
    assert_eq!(trail.get::<u16>(), None);
}

#[test]
fn an_update_begins_with_the_default_and_goes_on_from_there() {
    let trail = Trail::new();

    for _ in 0..2 {
        trail.update(|usage: &mut Usage| usage.output += 3);
        trail.update(|count: &mut u32| *count += 1);
    }

    assert_eq!(trail.get::<Usage>().unwrap().output, 6);
    assert_eq!(trail.get(), Some(2_u32));
}

#[test]
fn a_glance_sees_what_the_trail_says() {
    let trail = Trail::new();
    trail.set(Cost::from_nanos(1));
    trail.note("why", "because");
    for (name, nanos) in [("a", 10), ("b", 100)] {
        let attempt = trail.child();
        attempt.set(Target::new(name));
        attempt.set(Cost::from_nanos(nanos));
        attempt.child().set(Cost::from_nanos(1000));
    }
    trail.children()[0].set(Superseded);

    let node = trail.glance();

    assert_eq!(node.get(), Some(&Cost::from_nanos(1)));
    assert_eq!(node.sum(), Some(Cost::from_nanos(2111)));
    assert_eq!(node.sum::<Usage>(), None);
    assert_eq!(node.notes().len(), 1);
    let attempts = node.children().rev();
    let seen = attempts.map(|it| {
        (
            it.get().map(|target: &Target| target.name.to_string()),
            it.get::<Superseded>().is_some(),
        )
    });
    let expected = [(Some("b".into()), false), (Some("a".into()), true)];
    assert!(seen.eq(expected));
}
