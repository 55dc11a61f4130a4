use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The last hop that is not a proxy of ours. What stands before it is hearsay; if all are proxies, it is the first one.
pub(super) fn client(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut client = peer;
    let mut hops = 0;
    for value in headers.get_all("x-forwarded-for").iter().rev() {
        for hop in value.as_bytes().rsplit(|byte| *byte == b',') {
            hops += 1;
            client = parse(hop);
            let goes_on = client.is_some_and(&is_proxy);
            if !goes_on || hops == MOST {
                return client.filter(|_| !goes_on);
            }
        }
    }
    client
}

/// An address, perhaps with a port.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = bare.unwrap_or(hop).parse();
    let address = address.or_else(|_| hop.parse::<SocketAddr>().map(|hop| hop.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// More proxies than this nobody has in a row.
const MOST: usize = 32;
