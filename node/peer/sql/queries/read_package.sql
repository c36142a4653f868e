SELECT content FROM channel.chaincode_package WHERE package_id = %s
