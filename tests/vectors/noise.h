/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_VECTORS_NOISE_H
#define TESTS_VECTORS_NOISE_H

/* Published test vectors of the two Noise patterns: the numbers of the "cacophony" set, which the
 * Noise wiki lists and several implementations check themselves against. All hex. Messages 3 to 6
 * are transport messages with nonces 0, 0, 1, 1 under the first and second key of Split().
 */
struct noise_row {
	const char *name;
	const char *prologue;
	const char *psk;
	const char *init_static; /* NULL: the pattern has none */
	const char *resp_static;
	const char *resp_static_pub;
	const char *init_ephemeral;
	const char *resp_ephemeral;
	const char *hash; /* h after message 2 */
	struct {
		const char *payload;
		const char *ciphertext;
	} message[6];
};

/* clang-format off */
static const struct noise_row noise_rows[] = {
	{
		.name = "Noise_IKpsk2_25519_AESGCM_SHA256",
		.prologue = "4a6f686e2047616c74",
		.init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
		.resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
		.resp_static_pub = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
		.init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
		.resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
		.hash = "48c3f1eb397c797af6b139032c6074cb41282ff033ee25d5aee4a4badd3a2c3f",
		.psk = "54686973206973206d7920417573747269616e20706572737065637469766521",
		.message = {
			{"4c756477696720766f6e204d69736573",
			 "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79445a1baf339186d7867062"
			 "b0dd31f5de322d370165d217939b2b7ed9e2bae7840458ea65c2ce1554e0e8077fe7334c4bd514c658fd"
			 "04d97b86d216f58f59714a7e24144155045c8f36bed85a2cb0fd9af7"},
			{"4d757272617920526f746862617264",
			 "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432fe8d675e949799d2a96"
			 "8211a66cc7ba2b0f4cad8eda3c2bd37eae737bbf88"},
			{"462e20412e20486179656b",
			 "38cbf3835c78b7802df0dd0d9640ff8575debd0cb61cfb52590da1"},
			{"4361726c204d656e676572",
			 "ffc365ff6955fc66c5d809b31ac995f812c5770bd29f0df12f0ffd"},
			{"4a65616e2d426170746973746520536179",
			 "a7f2828174c4ead2491ffeb77c41c890fd1229ee36f23ccb9066a795daff1cad6b"},
			{"457567656e2042f6686d20766f6e2042617765726b",
			 "3b86963d5c0e6e3b4153d77153836606393eefc4e5e6dae97796552d1265839ee3825cb80c"},
		},
	},
	{
		.name = "Noise_NNpsk0_25519_AESGCM_SHA256",
		.prologue = "4a6f686e2047616c74",
		.init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
		.resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
		.hash = "9f3b1f9afd7767767b5b9d1069844a6154fdbdcc36dfb3e31c0fffc5c973d530",
		.psk = "54686973206973206d7920417573747269616e20706572737065637469766521",
		.message = {
			{"4c756477696720766f6e204d69736573",
			 "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79447c37a89fc17813788d30"
			 "df2d59501d6066f5f8aecc3406bbd9829f2d24a531b1"},
			{"4d757272617920526f746862617264",
			 "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432f29d79368ef9de4e1ae"
			 "7a362fb05bf0ad668e026bf5714554497b3a720461"},
			{"462e20412e20486179656b",
			 "7c01e898a6201f36aecee532e29cd0b7f8ffa29d3366ad0dce39a6"},
			{"4361726c204d656e676572",
			 "a9ff535aace3db6a1da1a7fb00fe2de2622bb373abad9fb42c00e0"},
			{"4a65616e2d426170746973746520536179",
			 "6cfc49a3e65472edc2d0152abe5ce950170a8a47c959f30bd48b5f0aacf29adbfd"},
			{"457567656e2042f6686d20766f6e2042617765726b",
			 "9bc86e6d974ed21ba04604a94aa68de21677eb409ead070c0cd569b069ee19ba142aa4c1a9"},
		},
	},
};
/* clang-format on */

#endif
