/*
 * columns/print_network.c
 *	  inet and cidr. IPv6 is written as PostgreSQL's inet_net_ntop.c does: the first longest run of two or
 *	  more zero groups becomes "::", and addresses that carry an IPv4 one end in its dotted form.
 */
#include "base/cursor.h"
#include "columns/print_types.h"

enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 3 /* PGSQL_AF_INET, PGSQL_AF_INET6 */, GROUPS = 8 };

static void
print_ipv4(const uint8_t *address, walrow__strbuf *out)
{
    walrow__strbuf_addf(out, "%d.%d.%d.%d", address[0], address[1], address[2], address[3]);
}

typedef struct run {
    int start, length;
} run;

static run
longest_zeros(const uint16_t *groups)
{
    run best = {-1, 1}, now = {0, 0};
    for (int i = 0; i < GROUPS; i++) {
        now = groups[i] != 0 ? (run){i + 1, 0} : (run){now.start, now.length + 1};
        if (now.length > best.length)
            best = now;
    }
    return best.start < 0 ? (run){-1, 0} : best;
}

/* ::1.2.3.4 and ::ffff:1.2.3.4, but ::1 */
static bool
carries_ipv4(const uint16_t *groups, run zeros)
{
    return zeros.start == 0 && (zeros.length == 6 || (zeros.length == 7 && groups[7] != 1) ||
                                (zeros.length == 5 && groups[5] == 0xFFFF));
}

static void
print_ipv6(const uint8_t *address, walrow__strbuf *out)
{
    uint16_t groups[GROUPS];
    for (int i = 0; i < GROUPS; i++)
        groups[i] = walrow__load_u16(address + 2 * i);
    run zeros = longest_zeros(groups);
    int end = zeros.start + zeros.length;
    for (int i = 0; i < GROUPS; i++) {
        if (zeros.length > 0 && i >= zeros.start && i < end) {
            if (i == zeros.start)
                walrow__strbuf_add_char(out, ':');
            continue;
        }
        if (i > 0)
            walrow__strbuf_add_char(out, ':');
        if (i == 6 && carries_ipv4(groups, zeros)) {
            print_ipv4(address + 12, out);
            return;
        }
        walrow__strbuf_addf(out, "%x", groups[i]);
    }
    if (zeros.length > 0 && end == GROUPS)
        walrow__strbuf_add_char(out, ':');
}

bool
walrow__print_network(const uint8_t *bytes, size_t size, walrow__strbuf *out)
{
    walrow__cursor in = walrow__cursor_over(bytes, size);
    int family = walrow__read_u8(&in), bits = walrow__read_u8(&in), is_cidr = walrow__read_u8(&in);
    int address_size = walrow__read_u8(&in);
    if (in.failed || (family != FAMILY_IPV4 && family != FAMILY_IPV6) ||
        address_size != (family == FAMILY_IPV4 ? 4 : 16) || bits > address_size * 8 ||
        walrow__cursor_left(&in) != (size_t)address_size)
        return false;
    if (family == FAMILY_IPV4)
        print_ipv4(in.at, out);
    else
        print_ipv6(in.at, out);
    if (is_cidr != 0 || bits != address_size * 8)
        walrow__strbuf_addf(out, "/%d", bits);
    return true;
}
