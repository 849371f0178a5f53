/*
 * protocol.h - what is said between host and exchange process, as message lines.
 *
 * The host says (op): hello, instrument (one each), ready; then order, cancel, protect, query, fills, positions; in step
 * mode step (to a time) and turn (one turn of bars); shutdown. The exchange says (event): ready, report, bar, quote, trade,
 * turn, stepped, ended, error. Instruments go by the host's index, which is bound to the name by `instrument`.
 */
#ifndef SIM_PROTOCOL_H
#define SIM_PROTOCOL_H

#include "sim/message.h"
#include "venue.h"

#define PROTOCOL_VERSION 1

void protocol_put_instrument(struct message_line *line, uint16_t index, const struct instrument *instrument);
/* ERROR_FORMAT when a field is missing or out of range. */
int protocol_get_instrument(const struct message *message, uint16_t *index, struct instrument *instrument);
/* True when both would trade alike. */
bool protocol_same_instrument(const struct instrument *a, const struct instrument *b);

void protocol_put_order(struct message_line *line, const struct order *order);
int protocol_get_order(const struct message *message, struct order *order);

/* `instrument` is the index the other side knows. `event` is "report" on the wire; the order log writes its own word. */
void protocol_put_report(struct message_line *line, const char *event, const struct venue_report *report, uint16_t instrument);
int protocol_get_report(const struct message *message, struct venue_report *report);

void protocol_put_market(struct message_line *line, const struct venue_market *event, uint16_t instrument);
/* ERROR_FORMAT when the message is no market event. */
int protocol_get_market(const struct message *message, struct venue_market *event);

const char *protocol_report_name(int kind);

#endif
