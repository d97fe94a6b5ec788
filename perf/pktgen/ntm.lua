-- SPDX-License-Identifier: BSD-3-Clause
-- Pktgen-DPDK: the no-drop rate of an RS with the frames that ntm-pktgen --pcap wrote (README.md).
--
--   pktgen -l 0-2 -n 4 -- -P -m "[1:2].0" -s 0:ntm.pcap -f ntm.lua
--
-- Port 0 replays the file towards the RS and receives what comes back; with general hosts behind
-- another port, name that one as RX. The file holds RS-S traffic, or RS-N from nodes alone: of RS-N a
-- second round of the same file would be replays, which the RS drops.

package.path = package.path .. ";?.lua;test/?.lua;app/?.lua"
require "Pktgen"

local TX, RX = 0, 0
local TRIAL_MS, HOLD_MS, SETTLE_MS = 10000, 60000, 1000
local RESOLUTION = 0.1 -- per cent of the line

local function counters()
	local tx = pktgen.portStats(tostring(TX), "port")[TX]
	local rx = pktgen.portStats(tostring(RX), "port")[RX]

	return tx.opackets, rx.ipackets
end

-- Packets sent, and how many of them did not come back.
local function trial(rate, ms)
	pktgen.clr()
	pktgen.set(tostring(TX), "rate", rate)
	pktgen.start(tostring(TX))
	pktgen.delay(ms)
	pktgen.stop(tostring(TX))
	pktgen.delay(SETTLE_MS)

	local sent, received = counters()

	printf("rate %.3f %%: sent %d, received %d, lost %d\n", rate, sent, received,
	       sent - received)
	return sent, sent - received
end

local function search()
	local good, bad = 0, 100
	local sent, lost = trial(bad, TRIAL_MS)

	if sent > 0 and lost <= 0 then
		return bad
	end
	while bad - good > RESOLUTION do
		local rate = (good + bad) / 2

		sent, lost = trial(rate, TRIAL_MS)
		if sent > 0 and lost <= 0 then
			good = rate
		else
			bad = rate
		end
	end
	return good
end

pktgen.screen("off")
pktgen.set(tostring(TX), "count", 0)
pktgen.pcap(tostring(TX), "on")

local rate = search()

if rate == 0 then
	printf("no rate without loss\n")
else
	local sent, lost = trial(rate, HOLD_MS)

	printf("no-drop rate %.3f %% of the line, %.0f packets per second; a minute at it: %d of %d lost\n",
	       rate, sent * 1000 / HOLD_MS, lost, sent)
end
pktgen.quit()
