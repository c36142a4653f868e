SELECT package_id, content FROM channel.chaincode_package
