// Performs the scenarios of the official Fabric Gateway client on a running network and prints, as one JSON object, what
// each step gave. It judges nothing: tests/interop/test_gateway_scenarios.py does.
//
// Usage: node scenarios.mjs <settings.json> <family>...
//   settings: {channel, members: [{address, mspId, rootsPem, tlsCertificatePem, tlsKeyPem, certificatePem, keyPem}, ...]},
//   the gateway's own organization first.

import * as grpc from '@grpc/grpc-js';
import { checkpointers, connect, signers, StatusCode } from '@hyperledger/fabric-gateway';
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const families = process.argv.slice(3);
const text = (bytes) => new TextDecoder().decode(bytes);
const seconds = (n) => () => ({ deadline: Date.now() + n * 1000 });
const EVENT_MS = 30000;

const [one, two, three] = settings.members.map((member) => {
    const credentials = grpc.credentials.createSsl(
        Buffer.from(member.rootsPem),
        Buffer.from(member.tlsKeyPem),
        Buffer.from(member.tlsCertificatePem),
    );
    const client = new grpc.Client(member.address, credentials);
    const signer = signers.newPrivateKeySigner(createPrivateKey(member.keyPem));
    const options = {
        client,
        identity: { mspId: member.mspId, credentials: Buffer.from(member.certificatePem) },
        tlsClientCertificateHash: createHash('sha256').update(new X509Certificate(member.tlsCertificatePem).raw).digest(),
        evaluateOptions: seconds(30),
        endorseOptions: seconds(30),
        submitOptions: seconds(30),
        commitStatusOptions: seconds(60),
    };
    return { mspId: member.mspId, client, signer, gateway: connect({ ...options, signer }), offline: connect(options) };
});
const all = [one, two, three].map(({ mspId }) => mspId);

// A stream that fails while nobody reads it ends a Node process; here it must not cost the other steps their result.
const uncaught = [];
process.on('uncaughtException', (error) => uncaught.push(failure(error)));

const failure = (error) => ({
    name: error.name,
    message: error.message,
    code: error.code,
    details: (error.details || [])
        .map(({ address, mspId, message }) => ({ address, mspId, message }))
        .sort((left, right) => left.mspId.localeCompare(right.mspId)),
});
const outcome = async (action) => {
    try {
        return { result: text(await action()) };
    } catch (error) {
        return { error: failure(error) };
    }
};

// One transaction from its proposal on, each step signed by ``signer`` where it is given.
class Call {
    constructor(contract, member = one, { gateway = member.gateway, signer } = {}) {
        this.contract = gateway.getNetwork(settings.channel).getContract(contract);
        this.gateway = gateway;
        this.signer = signer;
    }

    async sign(item, again) {
        return this.signer ? again(item.getBytes(), await this.signer(item.getDigest())) : item;
    }

    async proposal(name, args, transient, organizations) {
        const options = { arguments: args };
        if (transient) options.transientData = transient;
        if (organizations) options.endorsingOrganizations = organizations;
        const made = this.contract.newProposal(name, options);
        return this.sign(made, this.gateway.newSignedProposal.bind(this.gateway));
    }

    async run(name, args, transient, organizations) {
        const proposal = await this.proposal(name, args, transient, organizations);
        const transaction = await this.sign(
            await proposal.endorse(),
            this.gateway.newSignedTransaction.bind(this.gateway),
        );
        const commit = await this.sign(await transaction.submit(), this.gateway.newSignedCommit.bind(this.gateway));
        const status = await commit.getStatus();
        if (status.code !== StatusCode.VALID) {
            throw new Error(`committed with code ${status.code}`);
        }
        return { result: transaction.getResult(), block: status.blockNumber };
    }

    async submit(name, args = [], { transient, organizations } = {}) {
        return outcome(async () => (await this.run(name, args, transient, organizations)).result);
    }

    async evaluate(name, args = [], { transient, organizations } = {}) {
        return outcome(async () => (await this.proposal(name, args, transient, organizations)).evaluate());
    }
}

const network = () => one.gateway.getNetwork(settings.channel);

// A stream of events that is read one by one, each within a time limit.
class Listener {
    constructor(events) {
        this.events = events;
        this.iterator = events[Symbol.asyncIterator]();
    }

    async next() {
        let timer;
        const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error('no event came')), EVENT_MS);
        });
        try {
            return (await Promise.race([this.iterator.next(), late])).value;
        } finally {
            clearTimeout(timer);
        }
    }

    close() {
        this.events.close();
    }
}

const chaincodeEvents = async (options) => new Listener(await network().getChaincodeEvents('basic', options));
const eventOf = ({ chaincodeName, eventName, payload }) => ({ chaincodeName, eventName, payload: text(payload) });

const blockTypes = {
    block: {
        listen: (options) => network().getBlockEvents(options),
        number: (event) => BigInt(event.getHeader().getNumber()),
        checkpoint: (checkpointer, event) => checkpointer.checkpointBlock(BigInt(event.getHeader().getNumber())),
    },
    'filtered block': {
        listen: (options) => network().getFilteredBlockEvents(options),
        number: (event) => BigInt(event.getNumber()),
        checkpoint: (checkpointer, event) => checkpointer.checkpointBlock(BigInt(event.getNumber())),
    },
    'block and private data': {
        listen: (options) => network().getBlockAndPrivateDataEvents(options),
        number: (event) => BigInt(event.getBlock().getHeader().getNumber()),
        checkpoint: (checkpointer, event) =>
            checkpointer.checkpointBlock(BigInt(event.getBlock().getHeader().getNumber())),
    },
};

const run = {
    async ready() {
        // Peers that gossip learn of one another only after a moment.
        const deadline = Date.now() + 90000;
        for (const contract of ['basic', 'private', 'errors', 'everyone']) {
            let last = {};
            while (!('result' in last)) {
                last = await new Call(contract).submit('put', ['ready', contract]);
                if (Date.now() > deadline) return last;
            }
        }
        return 'ready';
    },

    async transactions() {
        const basic = new Call('basic');
        const seen = {
            evaluate: await basic.evaluate('echo', ['conga']),
            submit: await basic.submit('echo', ['conga']),
            put: await basic.submit('put', ['update', 'ledger']),
            get: await basic.evaluate('get', ['update']),
            transient: await basic.evaluate('echoTransient', [], { transient: { key1: 'value1', key2: 'value2' } }),
            evaluateError: await basic.evaluate('errorMessage', ['ALL_YOUR_ERROR_ARE_BELONG_TO_US']),
            submitError: await basic.submit('errorMessage', ['ALL_YOUR_ERROR_ARE_BELONG_TO_US']),
        };
        return seen;
    },

    async errors() {
        const errors = new Call('errors');
        const stranger = new Call('errors', one, { gateway: one.offline, signer: three.signer });
        return {
            evaluateArguments: await errors.evaluate('exists'),
            unknownChaincode: await new Call('nonexistent').submit('exists'),
            unknownChaincodeEvaluated: await new Call('nonexistent').evaluate('exists'),
            unknownTransaction: await errors.submit('nonexistent'),
            strangerSigns: await stranger.evaluate('exists', ['123']),
            strangerSignsSubmission: await stranger.submit('exists', ['123']),
            ownRefusesEvaluation: await errors.evaluate('orgsFail', [JSON.stringify(all.slice(0, 1))]),
            thirdRefuses: await errors.submit('orgsFail', [JSON.stringify(all.slice(2))]),
            secondAndThirdRefuse: await errors.submit('orgsFail', [JSON.stringify(all.slice(1))]),
            nondeterministic: await errors.submit('nondet'),
            unknownOrganization: await errors.submit('put', ['k', 'v'], { organizations: ['NowhereMSP'] }),
            unknownOrganizationEvaluated: await errors.evaluate('get', ['k'], { organizations: ['NowhereMSP'] }),
        };
    },

    // Ends the contracts' processes: nothing can be called after it.
    async crash() {
        return { evaluate: await new Call('errors').evaluate('crash') };
    },

    async chaincodeevents() {
        const basic = new Call('basic');
        const emit = async (...args) => (await basic.run('event', args)).block;
        const seen = {};

        const listener = await chaincodeEvents();
        const block = await emit('foo', 'bar');
        const event = await listener.next();
        seen.received = { ...eventOf(event), sameBlock: event.blockNumber === block };
        listener.close();

        const replay = await chaincodeEvents({ startBlock: await emit('event', 'replay') });
        seen.replayed = eventOf(await replay.next());
        replay.close();

        seen.restarted = [];
        for (const payload of ['one', 'two']) {
            const again = await chaincodeEvents();
            await emit('restart', payload);
            seen.restarted.push(eventOf(await again.next()));
            again.close();
        }

        const [first, second] = [await chaincodeEvents(), await chaincodeEvents()];
        await emit('close', 'before');
        seen.before = [eventOf(await first.next()), eventOf(await second.next())];
        first.close();
        await emit('close', 'after');
        seen.after = eventOf(await second.next());
        second.close();

        const checkpoint = checkpointers.inMemory();
        const noted = await chaincodeEvents({ checkpoint });
        await emit('checkpoint', 'one');
        const dealtWith = await noted.next();
        checkpoint.checkpointChaincodeEvent(dealtWith);
        noted.close();
        await emit('checkpoint', 'two');
        const resumed = await chaincodeEvents({ checkpoint });
        seen.checkpoint = [eventOf(dealtWith), eventOf(await resumed.next())];
        resumed.close();
        return seen;
    },

    async blockevents() {
        const basic = new Call('basic');
        const commit = async () => (await basic.run('echo', ['echo'])).block;
        const seen = {};
        for (const [type, { listen, number, checkpoint }] of Object.entries(blockTypes)) {
            const steps = {};
            const open = async (options) => new Listener(await listen(options));

            const listener = await open();
            let block = await commit();
            steps.received = number(await listener.next()) === block;
            listener.close();

            const replay = await open({ startBlock: block });
            steps.replayed = number(await replay.next()) === block;
            replay.close();

            const restarted = await open();
            block = await commit();
            steps.restarted = number(await restarted.next()) === block;
            restarted.close();

            const [first, second] = [await open(), await open()];
            block = await commit();
            steps.both = [number(await first.next()) === block, number(await second.next()) === block];
            first.close();
            block = await commit();
            steps.other = number(await second.next()) === block;
            second.close();

            const checkpointer = checkpointers.inMemory();
            const noted = await open({ checkpoint: checkpointer });
            block = await commit();
            const dealtWith = await noted.next();
            await checkpoint(checkpointer, dealtWith);
            noted.close();
            const next = await commit();
            const resumed = await open({ checkpoint: checkpointer });
            steps.checkpoint = [number(dealtWith) === block, number(await resumed.next()) === next];
            resumed.close();
            seen[type] = steps;
        }
        return seen;
    },

    async endorsement() {
        const call = new Call('private');
        const seen = {};
        for (const organizations of all.map((mspId) => [mspId])) {
            seen[`submit ${organizations}`] = await call.submit('getPeerOrg', [], { organizations });
        }
        const transient = { [all[0]]: 'value1', [all[2]]: 'value2' };
        const organizations = [all[0], all[2]];
        seen.both = await call.submit('checkEndorsingOrg', [], { organizations, transient });
        seen.wrong = await call.submit('checkEndorsingOrg', [], { organizations: [all[0], all[1]], transient });
        for (const mspId of all) {
            seen[`evaluate ${mspId}`] = await call.evaluate('getPeerOrg', [], { organizations: [mspId] });
        }
        return seen;
    },

    async sbe() {
        const call = new Call('private');
        const set = () => call.submit('setStateWithEndorser', ['key-001', 'value-001', all[0]]);
        const change = (value, organizations) => call.submit('changeState', ['key-001', value], { organizations });
        const read = () => call.evaluate('get', ['key-001']);
        // Each scenario starts from its own key, as one that guards a key may not be undone by the next.
        const seen = { set: await set() };
        seen.byOne = [await change('value-Org1', [all[0]]), await read()];
        seen.byTwo = [await change('value-Org2', [all[1]]), await read()];
        seen.oneAndThree = [
            await call.submit('setStateEndorsers', ['key-001', all[0], all[2]]),
            await change('value-Org1-Org3'),
            await read(),
        ];
        seen.wrongTwo = [await change('value-Org1-Org2', [all[0], all[1]]), await read()];
        seen.twoAndThree = [
            await call.submit('setStateEndorsers', ['key-001', all[1], all[2]]),
            await change('value-Org2-Org3'),
            await read(),
        ];
        return seen;
    },

    async privatedata() {
        const [first, second] = [new Call('private', one), new Call('private', two)];
        const own = [all[0]];
        const write = (call, collection, key, organizations) =>
            call.submit('writePrivateData', [], {
                transient: { collection, key: `key-${key}`, value: `value-${key}` },
                organizations,
            });
        // The peer that is asked may commit a moment later than the one whose commit was awaited.
        const read = async (call, collection, key, mspId) => {
            const args = [collection, `key-${key}`];
            let found = { result: '' };
            for (const deadline = Date.now() + 10000; found.result === '' && Date.now() < deadline; ) {
                found = await call.evaluate('readPrivateData', args, { organizations: [mspId] });
            }
            return found;
        };
        return {
            ownReads: [
                await write(first, 'Org1Collection', 101, own),
                await read(first, 'Org1Collection', 101, all[0]),
            ],
            throughAnother: [
                await write(first, 'Org1Collection', 102, own),
                await read(first, 'Org1Collection', 102, all[1]),
            ],
            anotherWritesAndReads: [
                await write(second, 'Org1Collection', 103, own),
                await read(second, 'Org1Collection', 103, all[0]),
            ],
            anotherWrites: [
                await write(second, 'Org1Collection', 104, own),
                await read(first, 'Org1Collection', 104, all[0]),
            ],
            sharedUnreadByAnother: [
                await write(first, 'SharedCollection', 106, own),
                await read(second, 'SharedCollection', 106, all[0]),
            ],
            sharedUnwrittenByAnother: await write(second, 'SharedCollection', 107, own),
            planned: [await write(first, 'SharedCollection', 108), await read(first, 'SharedCollection', 108, all[0])],
            plannedWithThird: [
                await write(first, 'SharedCollection,Org3Collection', 109),
                await read(first, 'SharedCollection', 109, all[0]),
                await read(first, 'Org3Collection', 109, all[2]),
                await read(first, 'Org3Collection', 109, all[0]),
            ],
            // Beyond the official scenarios: a member that did not endorse has the value all the same.
            handedOver: [
                await write(first, 'SharedCollection', 111, own),
                await read(first, 'SharedCollection', 111, all[2]),
            ],
            undefinedCollection: await write(first, 'NoCollection', 110),
        };
    },

    async offlinesign() {
        const unsigned = new Call('basic', one, { gateway: one.offline });
        const signed = new Call('basic', one, { gateway: one.offline, signer: one.signer });
        return {
            evaluateUnsigned: await unsigned.evaluate('echo', ['conga']),
            evaluateSigned: await signed.evaluate('echo', ['conga']),
            submitUnsigned: await unsigned.submit('echo', ['conga']),
            submitSigned: await signed.submit('echo', ['conga']),
        };
    },

    async discovery() {
        return { submit: await new Call('everyone').submit('echo', ['conga']) };
    },
};

const seen = {};
for (const family of families) {
    try {
        seen[family] = await run[family]();
    } catch (error) {
        seen[family] = { broken: failure(error) };
    }
}
for (const { gateway, offline, client } of [one, two, three]) {
    gateway.close();
    offline.close();
    client.close();
}
process.stdout.write(JSON.stringify({ ...seen, uncaught }));
