/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_VECTORS_CLEAR_H
#define TESTS_VECTORS_CLEAR_H

/* What is made without a session: MACs of a handshake 1, the cookie packet that answers it, reset, id
 * of a join token, bodies of probes; computed by a second implementation (Python's hmac and
 * cryptography) from docs/protocol.md sections 3 and 4. All hex. Public key of the responder 00 to 1f;
 * the handshake's bytes behind its clear part are no Noise message.
 */
/* clang-format off */
/* 512 bytes, with MAC1 and, under the cookie below, MAC2. */
static const char clear_hs1[] =
	"1380000000000000ffffffffffffffff80000000000000a10101000000070e151c232a31383f464d"
	"545b626970777e858c939aa1a8afb6bdc4cbd2d9e0e7eef5fc030a11181f262d343b424950575e65"
	"6c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d141b222930373e454c535a61686f767d"
	"848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e252c333a41484f565d646b727980878e95"
	"9ca3aab1b8bfc6cdd4dbe2e9f0f7fe050c131a21282f363d444b525960676e757c838a91989fa6ad"
	"b4bbc2c9d0d7dee5ecf3fa01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5"
	"ccd3dae1e8eff6fd040b121920272e353c434a51585f666d747b828990979ea5acb3bac1c8cfd6dd"
	"e4ebf2f900070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9e0e7eef5"
	"fc030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dce3eaf1f8ff060d"
	"141b222930373e454c535a61686f767d848b9299a0a7aeb5bcc3cad1d8dfe6edf4fb020910171e25"
	"2c333a41484f565d646b727980878e959ca3aab1b8bfc6cdd4dbe2e9f0f7fe050c131a21282f363d"
	"444b525960676e757c838a91989fa6adb4bbc2c9d0d7dee5ecf3fa01080f161d242b323940474e55"
	"4e205a4885be63be1669c717e80d6276bd5db7fd5e7ccbd43177c61e080b7a1d";
/* What the cookie packet holds. */
static const char clear_cookie[] =
	"404142434445464748494a4b4c4d4e4f";
/* Random bytes 60 to 7f. */
static const char clear_cookie_packet[] =
	"150000000000000080000000000000a1606162636465666768696a6b6c6d6e6f7071727374757677"
	"78797a7b7c7d7e7f3fbd545273ecd8c781ccaf54d4a3eb1a4ea36b793223e4141e1f118c9fa57cd0";
/* Reset secret 32 times 10, index 80000000000000a1. */
static const char clear_reset[] =
	"180000000000000080000000000000a1cc06a6809bcc4620f686a997248bbf53";
/* Of the join token 32 times 5a. */
static const char clear_token_id[] =
	"3a79f4df673ff9a5";
/* Number 7, for an outer size of 1480; padding left out. */
static const char clear_probe_ask[] =
	"000005c800000007000000000000000000000000000000000000";
/* From 20.1.0.1 port 40001. */
static const char clear_probe_answer[] =
	"010005c80000000700000000000000000000ffff140100019c41";
/* clang-format on */

#endif
