use std::{
    any::{Any, TypeId},
    mem,
};

use crate::{
    Payload,
    fact::{Attempt, CacheStatus, Call, Dispatch, Failure, Principal, Target, Timing, Usage},
};

/// The facts of one node, each by its type.
///
/// Those that most requests have stand in a place of their own: elsewhere each would be an allocation, and a search.
#[derive(Default)]
pub(super) struct Facts {
    timing: Option<Timing>,
    principal: Option<Principal>,
    payload: Option<Payload>,
    call: Option<Call>,
    cache: Option<CacheStatus>,
    target: Option<Target>,
    attempt: Option<Attempt>,
    dispatch: Option<Dispatch>,
    usage: Option<Usage>,
    failure: Option<Failure>,
    others: Vec<Other>,
}

/// The place of facts of type `$T`, if they have one of their own: an `Option<$T>` behind `dyn Any`. The compiler
/// knows which it is, and leaves the rest out.
macro_rules! place {
    ($facts:ident, $T:ty, $any:ident) => {
        place!(
            $facts, $T, $any,
            timing: Timing, principal: Principal, payload: Payload, call: Call, cache: CacheStatus, target: Target,
            attempt: Attempt, dispatch: Dispatch, usage: Usage, failure: Failure
        )
    };
    ($facts:ident, $T:ty, $any:ident, $($field:ident: $Fact:ty),+) => {{
        let fact = TypeId::of::<$T>();
        $(if fact == TypeId::of::<$Fact>() {
            Some($facts.$field.$any())
        } else)+ {
            None
        }
    }};
}

impl Facts {
    pub(super) fn get<T: 'static>(&self) -> Option<&T> {
        if let Some(place) = place!(self, T, any) {
            return place.downcast_ref::<Option<T>>()?.as_ref();
        }
        let fact = self.others.iter().find(|it| it.0 == TypeId::of::<T>())?;
        fact.1.downcast_ref()
    }

    pub(super) fn set<T: Send + Sync + 'static>(&mut self, fact: T) -> Option<T> {
        if let Some(place) = place!(self, T, any_mut) {
            let place = place.downcast_mut::<Option<T>>().expect(OWN);
            return place.replace(fact);
        }
        match other(&mut self.others) {
            Some(known) => Some(mem::replace(known, fact)),
            None => {
                self.others.push((TypeId::of::<T>(), Box::new(fact)));
                None
            }
        }
    }

    pub(super) fn get_or_default<T: Default + Send + Sync + 'static>(&mut self) -> &mut T {
        if self.get::<T>().is_none() {
            self.set(T::default());
        }
        let place = match place!(self, T, any_mut) {
            Some(place) => place.downcast_mut().and_then(Option::as_mut),
            None => other(&mut self.others),
        };
        place.expect("set just before")
    }
}

type Other = (TypeId, Box<dyn Any + Send + Sync>);

fn other<T: 'static>(others: &mut [Other]) -> Option<&mut T> {
    let fact = others.iter_mut().find(|it| it.0 == TypeId::of::<T>())?;
    fact.1.downcast_mut()
}

trait Place {
    fn any(&self) -> &dyn Any;
    fn any_mut(&mut self) -> &mut dyn Any;
}

impl<T: 'static> Place for Option<T> {
    fn any(&self) -> &dyn Any {
        self
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

const OWN: &str = "a place is found by the type of its fact";
