use bytes::Bytes;
use http::{Request, Response, request::Parts};
use serde_json::Value;
use tollgate_core::{Batch, fact::Principal};

use crate::EmbeddingsBatch;

/// The first line is the provider's answer, each other one a request. What is joined has all inputs and is readable
/// again; what is taken apart gives each as many vectors as it has inputs.
pub(super) fn check(input: &[u8]) {
    let mut lines = input.split(|&byte| byte == b'\n');
    let answer = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    let policy = EmbeddingsBatch::new();
    let parts = head();
    let read = |line: &[u8]| policy.read(&parts, &Bytes::copy_from_slice(line));
    let members: Vec<_> = lines.take(MOST_MEMBERS).filter_map(read).collect();
    let Some((key, _)) = members.first() else {
        return;
    };
    let same = members.iter().filter(|(other, _)| other == key);
    let members: Vec<_> = same.map(|(_, member)| member.clone()).collect();
    let count: usize = members.iter().map(|member| policy.items(member)).sum();

    let (parts, body) = policy.join(head(), &members);
    if count <= 2048 {
        let (again, joined) = policy
            .read(&parts, &body)
            .expect("what was joined is readable");
        assert_eq!(again, *key, "a batch is of its members' key");
        assert_eq!(policy.items(&joined), count);
        let weights = members.iter().map(|member| policy.weight(member));
        assert_eq!(policy.weight(&joined), weights.sum::<u64>());
    }

    let (head, ()) = Response::new(()).into_parts();
    let Some(bodies) = policy.split(&head, &answer, &members) else {
        return;
    };
    assert_eq!(bodies.len(), members.len());
    for (body, member) in bodies.iter().zip(&members) {
        // A number that no float holds is passed on, but cannot be looked at here.
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            continue;
        };
        let data = body["data"].as_array().expect("there is data");
        assert_eq!(data.len(), policy.items(member));
        let counted = data
            .iter()
            .enumerate()
            .all(|(index, it)| it["index"].as_u64() == Some(index as u64));
        assert!(counted, "indices count from zero");
    }
}

fn head() -> Parts {
    let request = Request::post("/v1/embeddings").extension(Principal::new("key"));
    let (parts, ()) = request.body(()).expect("the request is valid").into_parts();
    parts
}

const MOST_MEMBERS: usize = 16;
